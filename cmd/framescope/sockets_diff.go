package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"framescope/cmd/framescope/internal/output"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// runSave saves the sockets to a file, which is there whole or not at all. What is
// no regular file is written to as it is.
func (f *socketsFlags) runSave() error {
	name, mode := f.save, os.FileMode(0o600)
	switch i, err := os.Stat(name); {
	case err == nil && !i.Mode().IsRegular():
		return f.saveTo(name)
	case err == nil:
		if name, err = filepath.EvalSymlinks(name); err != nil {
			return err
		}
		mode = i.Mode().Perm()
	case !errors.Is(err, os.ErrNotExist):
		return err
	default:
		if _, err := os.Lstat(name); err == nil {
			return f.saveTo(name) // a link to what is not there yet
		}
	}
	ctx, stop := interruptible()
	defer stop()
	tmp, err := os.CreateTemp(filepath.Dir(name), ".framescope-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // unless it has its name by then
	defer tmp.Close()
	n, err := f.writeSockets(ctx, tmp)
	if err != nil {
		return err
	}
	if err := tmp.Chmod(mode); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), name); err != nil {
		return err
	}
	f.saved(n)
	return nil
}

// saveTo writes the sockets into what there is.
func (f *socketsFlags) saveTo(name string) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	n, err := f.writeSockets(context.Background(), file)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	f.saved(n)
	return nil
}

func (f *socketsFlags) saved(n int) {
	f.say()
	fmt.Fprintf(f.std.err, "framescope: %s saved to %s\n", output.Count(n, "socket", "sockets"), visible(f.save))
}

// writeSockets writes what --diff reads, until ctx is done.
func (f *socketsFlags) writeSockets(ctx context.Context, to io.Writer) (n int, err error) {
	w := bufio.NewWriterSize(to, 64<<10)
	now := stamp(time.Now())
	if err := writeJSON(w, snapshot{"1.0", "sockets", now, bootID(), f.asked()}); err != nil {
		return 0, err
	}
	for r, err := range f.rows(f.query()) {
		if err != nil {
			return 0, err
		}
		if ctx.Err() != nil {
			return 0, status(130)
		}
		f.count(r)
		rec := f.record(r)
		rec.Schema, rec.Type = "1.0", "socket"
		if err := writeJSON(w, rec); err != nil {
			return 0, err
		}
		n++
	}
	if ctx.Err() != nil {
		return 0, status(130)
	}
	return n, w.Flush()
}

// A savedQuery is which sockets were saved: only the same ones can be compared.
type savedQuery struct {
	View      string   `json:"view,omitempty"`
	Kinds     []string `json:"kinds,omitempty"`
	Family    string   `json:"family,omitempty"`
	Listening bool     `json:"listening,omitempty"`
	All       bool     `json:"all,omitempty"`
	Expr      []string `json:"expr,omitempty"`
	Internet  []string `json:"internet,omitempty"`
	States    string   `json:"states,omitempty"`
	Filter    string   `json:"filter,omitempty"`
	Netns     string   `json:"netns,omitempty"`
}

// asked returns which sockets the flags ask for.
func (f *socketsFlags) asked() savedQuery {
	q := savedQuery{Listening: f.listening, All: f.all, Expr: strings.Fields(strings.Join(f.words, " ")), Internet: f.internet, States: f.lsofStates, Filter: f.filter}
	if f.netns == "all" {
		q.Netns = f.netns // a name may be another one by then, and a path
	}
	if f.view != "framescope" {
		q.View = f.view
	}
	switch {
	case f.four && !f.six:
		q.Family = "ipv4"
	case f.six && !f.four:
		q.Family = "ipv6"
	}
	if f.namesKinds() {
		for _, k := range f.kinds() {
			q.Kinds = append(q.Kinds, k.String())
		}
	}
	return q
}

// String is the query as it is asked for.
func (q savedQuery) String() string {
	var s []string
	add := func(on bool, words ...string) {
		if on {
			s = append(s, words...)
		}
	}
	add(q.View != "", "--view", q.View)
	for _, k := range q.Kinds {
		add(k != "udplite", "--"+k)
	}
	add(q.Family != "", "--"+q.Family)
	add(q.Listening, "--listening")
	add(q.All, "--all")
	add(q.Netns != "", "--netns", shellQuote(q.Netns))
	for _, i := range q.Internet {
		add(true, "-i", shellQuote(i))
	}
	add(q.States != "", "-s", shellQuote(q.States))
	add(q.Filter != "", "-Y", shellQuote(q.Filter))
	for _, w := range q.Expr {
		add(true, shellQuote(w))
	}
	return strings.Join(s, " ")
}

// readSaved reads what runSave has written.
func readSaved(name string) (s snapshot, recs []socketRecord, err error) {
	file, err := os.Open(name)
	if err != nil {
		return s, nil, err
	}
	defer file.Close()
	const longest = 1 << 20 // of the first line
	b := bufio.NewReaderSize(file, longest)
	bad := func(err error) error {
		return hinted{fmt.Errorf("%s: it is not a file of --save: %w", name, err), "make one with: framescope sockets --save " + shellQuote(name)}
	}
	line, err := b.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return s, nil, bad(errors.New("its first line is longer than 1 MiB"))
	case err != nil && (!errors.Is(err, io.EOF) || len(line) == 0):
		return s, nil, bad(err)
	}
	if err := json.Unmarshal(line, &s); err != nil {
		return s, nil, bad(err)
	}
	d := json.NewDecoder(b)
	if s.Type != "sockets" {
		return s, nil, bad(fmt.Errorf("the type of its first line is %q", s.Type))
	}
	if major, _, _ := strings.Cut(s.Schema, "."); major != "1" {
		return s, nil, bad(fmt.Errorf("its records have version %q, and not 1", s.Schema))
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
	if f.format == "csv" {
		return hinted{errors.New("--diff has no format csv"), "table, json and jsonl it has"}
	}
	s, old, err := readSaved(f.diff)
	if err != nil {
		return err
	}
	if was, now := s.Query.String(), f.asked().String(); was != now {
		of := "all sockets, without a filter"
		if was != "" {
			of = "those of " + was
		}
		return hinted{fmt.Errorf("--diff: %s holds other sockets than are asked for: %s", visible(f.diff), visible(of)),
			strings.Join(strings.Fields("try: framescope sockets "+visible(was)+" --diff "+shellQuote(f.diff)), " ")}
	}
	same := s.Boot == bootID()
	before := map[string]*socketRecord{}
	for i := range old {
		before[recordKey(&old[i], same)] = &old[i]
	}
	differs := false
	var events []socketEvent // of an array, which is printed at the end
	say := func(event, from string, r *socketRecord) error {
		differs = true
		if f.format == "table" || f.format == "wide" {
			_, err := fmt.Fprintln(f.std.out, inWords(event, from, r))
			return err
		}
		r.Schema, r.Type = "", ""
		e := socketEvent{"1.0", "socket_event", stamp(time.Now()), event, from, *r}
		if f.format == "json" {
			events = append(events, e)
			return nil
		}
		return writeJSON(f.std.out, e)
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
	if f.format == "json" {
		if err := writeJSON(f.std.out, append([]socketEvent{}, events...)); err != nil {
			return fmt.Errorf("standard output: %w", err)
		}
	}
	f.say()
	if differs {
		return status(exitFailed)
	}
	return nil
}
