package pcapfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// How many names that are taken are tried before a rotation gives up.
const mostTaken = 10_000

// rotate ends the file and begins the next one.
func (r *Recorder) rotate() error {
	if err := r.end(); err != nil {
		return err
	}
	if err := r.thin(); err != nil {
		return err
	}
	r.flushed = r.now
	return r.open()
}

// thin deletes the oldest files until there is room for another one.
func (r *Recorder) thin() error {
	for r.c.Keep > 0 && len(r.files) >= r.c.Keep {
		if err := r.files[0].remove(); err != nil {
			r.err = &WriteError{File: r.files[0].name, Op: "remove", Err: bare(err)}
			return r.err
		}
		r.files = r.files[1:]
	}
	return nil
}

// openNext creates the next file of the rotation.
func (r *Recorder) openNext() (output, error) {
	dir, base := filepath.Split(r.path)
	ext := filepath.Ext(base)
	if ext == base {
		ext = "" // a hidden file
	}
	stem := base[:len(base)-len(ext)]
	for range mostTaken {
		r.number++
		name := fmt.Sprintf("%s_%05d_%s%s", stem, r.number, r.now.Format("20060102150405"), ext)
		o, err := openFile(dir+name, os.O_EXCL, r.c.Perm)
		if !errors.Is(err, fs.ErrExist) {
			return o, err
		}
	}
	return output{name: r.path}, &WriteError{File: r.path, Op: "create", Err: fmt.Errorf("%d names for it are taken", mostTaken)}
}

// sizeOf returns the length of the block of a packet.
func (r *Recorder) sizeOf(p *Packet) int { return blockSize(min(len(p.Data), r.w.most)) }

// fit writes packets into files of the size that is wanted.
func (r *Recorder) fit(ps []Packet) error {
	for len(ps) > 0 {
		// those that fit into file and buffer, at once
		room := min(r.room(), int64(r.w.limit-r.w.n))
		n := 0
		for n < len(ps) {
			if room -= int64(r.sizeOf(&ps[n])); room < 0 {
				break
			}
			n++
		}
		if n == 0 {
			if err := r.makeRoom(r.sizeOf(&ps[0])); err != nil {
				return err
			}
			n = 1
		}
		if err := r.done(r.w.Packets(ps[:n])); err != nil {
			return err
		}
		ps = ps[n:]
	}
	return nil
}

// room returns how much more may be written to the file.
func (r *Recorder) room() int64 {
	n := r.c.RotateSize - r.w.off - int64(r.w.n)
	for _, b := range r.statistics {
		if b != nil {
			n -= int64(blockFrame + len(b))
		}
	}
	return n
}

// makeRoom begins a new file unless a block of size bytes fits into this one,
// or it has no packets.
func (r *Recorder) makeRoom(size int) error {
	if gap := r.w.limit - r.w.n; size > gap {
		size += gap // for padding
	}
	if int64(size) > r.room() && r.w.packets > 0 {
		return r.rotate()
	}
	return nil
}
