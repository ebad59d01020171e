package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// runSave saves the sockets to a file, which is there whole or not at all.
func (f *socketsFlags) runSave() (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(f.save), ".framescope-*")
	if err != nil {
		return err
	}
	defer func() {
		tmp.Close()
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	w := bufio.NewWriterSize(tmp, 64<<10)
	now := time.Now().UTC().Format(time.RFC3339Nano)
	if err := writeJSON(w, snapshot{"1.0", "sockets", now, bootID()}); err != nil {
		return err
	}
	n := 0
	for r, err := range f.rows(f.query()) {
		if err != nil {
			return err
		}
		f.count(r)
		rec := f.record(r)
		rec.Schema, rec.Type = "1.0", "socket"
		if err := writeJSON(w, rec); err != nil {
			return err
		}
		n++
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), f.save); err != nil {
		return err
	}
	f.say()
	fmt.Fprintf(f.std.err, "framescope: %s saved to %s\n", counted(n, "socket", "sockets"), visible(f.save))
	return nil
}

// readSaved reads what runSave has written.
func readSaved(name string) (s snapshot, recs []socketRecord, err error) {
	file, err := os.Open(name)
	if err != nil {
		return s, nil, err
	}
	defer file.Close()
	d := json.NewDecoder(bufio.NewReaderSize(file, 64<<10))
	bad := func(err error) error {
		return hinted{fmt.Errorf("%s: it is not a file of --save: %w", name, err), "make one with: framescope sockets --save " + shellQuote(name)}
	}
	if err := d.Decode(&s); err != nil {
		return s, nil, bad(err)
	}
	if s.Type != "sockets" {
		return s, nil, bad(fmt.Errorf("the type of its first line is %q", s.Type))
	}
	for {
		var r socketRecord
		switch err := d.Decode(&r); {
		case errors.Is(err, io.EOF):
			return s, recs, nil
		case err != nil:
			return s, recs, bad(err)
		}
		recs = append(recs, r)
	}
}

// recordKey tells a saved socket from others: by its cookie if that means
// something still, else by its ends.
func recordKey(r *socketRecord, cookies bool) string {
	if cookies && r.Socket.Cookie != "" {
		return r.Netns + " " + r.Socket.Cookie
	}
	b, _ := json.Marshal([]any{r.Netns, r.Network, r.Local, r.Peer, r.Socket.Type})
	return string(b)
}

// runDiff shows what differs from a saved file.
func (f *socketsFlags) runDiff() error {
	s, old, err := readSaved(f.diff)
	if err != nil {
		return err
	}
	same := s.Boot == bootID()
	before := map[string]*socketRecord{}
	for i := range old {
		before[recordKey(&old[i], same)] = &old[i]
	}
	differs := false
	say := func(event, from string, r *socketRecord) error {
		differs = true
		if f.format == "table" || f.format == "wide" {
			_, err := fmt.Fprintln(f.std.out, inWords(event, from, r))
			return err
		}
		r.Schema, r.Type = "", ""
		return writeJSON(f.std.out, socketEvent{"1.0", "socket_event", time.Now().UTC().Format(time.RFC3339Nano), event, from, *r})
	}
	for r, err := range f.rows(f.query()) {
		if err != nil {
			return err
		}
		f.count(r)
		rec := f.record(r)
		k := recordKey(&rec, same)
		was := before[k]
		delete(before, k)
		switch {
		case was == nil:
			err = say("opened", "", &rec)
		case was.Socket.State != rec.Socket.State:
			err = say("changed", was.Socket.State, &rec)
		}
		if err != nil {
			return fmt.Errorf("standard output: %w", err)
		}
	}
	for i := range old {
		if before[recordKey(&old[i], same)] == &old[i] {
			if err := say("closed", "", &old[i]); err != nil {
				return fmt.Errorf("standard output: %w", err)
			}
		}
	}
	f.say()
	if differs {
		return status(exitFailed)
	}
	return nil
}
