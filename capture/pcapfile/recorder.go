package pcapfile

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"
)

// RecorderConfig says what a Recorder writes, and into how many files. A nil
// *RecorderConfig and zero fields mean the defaults.
type RecorderConfig struct {
	WriterConfig
	// RotateSize begins a new file before one becomes larger than so many
	// bytes. A file holds at least one packet, however large that is. Zero does
	// not rotate by size.
	RotateSize int64
	// RotateEvery begins a new file when one has been written to for so long. A
	// file without packets is kept instead. Zero does not rotate by time.
	RotateEvery time.Duration
	// Keep is how many files a rotation leaves: the oldest one that the
	// Recorder wrote is deleted before it begins another. Zero keeps all.
	Keep int
	// FlushEvery is how long packets may wait in the buffer between calls of
	// FlushDue. Zero means half a second, less than zero writes at every call.
	// Into pipes every call writes.
	FlushEvery time.Duration
	// Perm are the permissions of new files, before the umask. Zero means 0600:
	// captures hold what others must not read.
	Perm fs.FileMode
}

const defaultFlush = 500 * time.Millisecond

// A Recorder writes what is captured live to a pcapng file, to a rotation of
// files, or to standard output.
//
// Each file is complete: section header, interfaces, secrets, and at its end
// the statistics. It can be read at any time: what is written are whole blocks,
// and when a write fails (the disk is full, say) the file is cut behind the
// last whole block. A process that is killed loses what it captured since
// FlushDue last wrote. If that happened in the midst of a write, it may leave an
// incomplete block at the end, and readers read up to there; or an empty file,
// which was being created.
//
// An error of the system is a *WriteError, and sticks. A Recorder is for one
// goroutine at a time.
type Recorder struct {
	c      RecorderConfig
	path   string
	out    output
	w      *Writer
	err    error
	closed bool

	now     time.Time // as last heard of
	began   time.Time // this file
	flushed time.Time

	interfaces []Interface
	secrets    []Secret
	statistics [][]byte // block bodies by interface, nil where there are none

	number  int      // of the file in its name, from 1
	files   []output // those of a rotation that Keep may delete, oldest first
	opened  int      // files
	packets int64    // in finished files
	bytes   int64    // of them
}

// Create begins a file of packets. The time now is when that is.
//
// The path "-" is standard output, which may be a pipe. Otherwise a file of
// that name is overwritten, unless RotateSize or RotateEvery is set: then the
// files of capture.pcapng are called capture_00001_20261120163000.pcapng and so
// on, with their number and the time at which they were begun, in the zone of
// the times that the Recorder is given. A rotation never overwrites a file: it
// leaves out numbers that are taken.
func Create(path string, now time.Time, c *RecorderConfig) (*Recorder, error) {
	r := &Recorder{path: path, now: now, flushed: now}
	if c != nil {
		r.c = *c
	}
	if r.c.Perm == 0 {
		r.c.Perm = 0o600
	}
	if r.c.FlushEvery == 0 {
		r.c.FlushEvery = defaultFlush
	}
	switch {
	case r.rotates() && path == "-":
		return nil, &WriteError{File: stdout, Op: "create", Err: errors.New("only files can be rotated")}
	case r.c.Keep > 0 && !r.rotates():
		return nil, &WriteError{File: path, Op: "create", Err: errors.New("to keep some files, say when a new one begins")}
	}
	r.w = newWriter(&r.c.WriterConfig)
	if err := r.open(); err != nil {
		_ = r.out.close()
		return nil, err
	}
	return r, nil
}

func (r *Recorder) rotates() bool { return r.c.RotateSize > 0 || r.c.RotateEvery > 0 }

// open begins a file.
func (r *Recorder) open() (err error) {
	switch {
	case r.path == "-":
		r.out, err = openStdout()
	case r.rotates():
		r.out, err = r.openNext()
	default:
		r.out, err = openFile(r.path, os.O_TRUNC, r.c.Perm)
	}
	if err != nil {
		r.err = err
		return err
	}
	if r.c.Keep > 0 {
		r.files = append(r.files, r.out)
	}
	r.opened++
	r.began = r.now
	r.w.start(r.out.f, r.out.name, &r.c.WriterConfig)
	for k := range r.interfaces {
		_, _ = r.w.AddInterface(&r.interfaces[k]) // an error sticks
	}
	for _, s := range r.secrets {
		_ = r.w.Secrets(s.Type, s.Data)
	}
	if err = r.done(r.w.Flush()); err != nil && r.rotates() && r.w.whole == 0 {
		_ = r.out.remove() // nobody could read it
	}
	return err
}

// done returns err, after it has seen to a file that could not be written.
func (r *Recorder) done(err error) error {
	if r.err != nil || r.w.err == nil {
		return err
	}
	var e *WriteError
	if errors.As(r.w.err, &e) {
		e.Err = bare(e.Err)
		if cut := r.out.cut(r.w.off - r.w.whole); cut != nil {
			e.Err = both(e.Err, cut)
		}
	}
	r.err = r.w.err
	return r.err
}

// AddInterface describes an interface, in this file and all later ones. See
// Writer.AddInterface. It is written at once.
func (r *Recorder) AddInterface(i *Interface) (uint16, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.w.AddInterface(i)
	if err != nil {
		return 0, r.done(err)
	}
	r.interfaces = append(r.interfaces, *i)
	r.statistics = append(r.statistics, nil)
	return n, r.done(r.w.Flush())
}

// Secrets writes what decrypts packets behind it, to this file and all later
// ones. See Writer.Secrets.
func (r *Recorder) Secrets(typ uint32, data []byte) error {
	if r.err != nil {
		return r.err
	}
	err := r.w.Secrets(typ, data)
	if err == nil && r.rotates() {
		r.secrets = append(r.secrets, Secret{Type: typ, Data: slices.Clone(data)})
	}
	return r.done(err)
}

// Statistics notes how many packets an interface received and dropped so far.
// The last ones go to the end of each file. See Writer.Statistics.
func (r *Recorder) Statistics(iface uint16, received, dropped int64, start, end time.Time) error {
	if int(iface) >= len(r.statistics) {
		return r.w.Statistics(iface, received, dropped, start, end) // says why not
	}
	r.statistics[iface] = statisticsBody(iface, received, dropped, start, end)
	return r.err
}

// Packet writes one packet. See Packets.
func (r *Recorder) Packet(p *Packet) error {
	one := [1]Packet{*p}
	return r.Packets(one[:])
}

// Packets writes packets. See Writer.Packets; a packet is never split between
// files.
func (r *Recorder) Packets(ps []Packet) error {
	if r.err != nil {
		return r.err
	}
	if r.c.RotateSize <= 0 {
		return r.done(r.w.Packets(ps))
	}
	return r.fit(ps)
}

// Annotated writes one packet with flags or a comment. See Writer.Annotated.
func (r *Recorder) Annotated(p *Packet, a *Annotation) error {
	if r.err != nil {
		return r.err
	}
	if r.c.RotateSize > 0 {
		// 24 bytes: the flags, the frames of both options and their end
		if err := r.makeRoom(r.sizeOf(p) + (len(a.Comment)+3)&^3 + 24); err != nil {
			return err
		}
	}
	return r.done(r.w.Annotated(p, a))
}

// Flush writes what is in the buffer.
func (r *Recorder) Flush() error {
	if r.err != nil {
		return r.err
	}
	r.flushed = r.now
	return r.done(r.w.Flush())
}

// FlushDue writes what is in the buffer when it is time to do so, and begins a
// new file when it is time for that. Whoever captures calls it after each
// batch, and a few times in a second when there are none. The time also names
// the files that are begun until the next call.
func (r *Recorder) FlushDue(now time.Time) error {
	r.now = now
	if r.err != nil {
		return r.err
	}
	if every := r.c.RotateEvery; every > 0 {
		if age := now.Sub(r.began); age < 0 || age >= every {
			if r.w.packets > 0 && age > 0 {
				return r.rotate()
			}
			r.began = now // it is empty; or the clock was set back
		}
	}
	if r.w.Buffered() == 0 {
		return nil
	}
	if age := now.Sub(r.flushed); age < 0 || age >= r.c.FlushEvery || !r.out.regular {
		return r.Flush()
	}
	return nil
}

// end completes a file.
func (r *Recorder) end() error {
	r.w.last = -1 // RotateSize has no room for padding
	for _, b := range r.statistics {
		if b != nil {
			_ = r.w.block(blockStatistics, b) // an error sticks
		}
	}
	if err := r.done(r.w.Flush()); err != nil {
		_ = r.out.close()
		return err
	}
	if err := r.out.close(); err != nil {
		r.err = &WriteError{File: r.out.name, Op: "close", Packets: r.w.packets, Off: r.w.off, Err: bare(err)}
	}
	r.packets += r.w.packets
	r.bytes += r.w.off
	r.w.packets, r.w.off = 0, 0
	return r.err
}

// Close completes the file, with the statistics noted last, and closes it.
// Standard output stays open. An error that stuck is returned again.
func (r *Recorder) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	if r.err != nil {
		_ = r.out.close()
		return r.err
	}
	if err := r.end(); err != nil {
		return err
	}
	r.err = os.ErrClosed
	return nil
}

// Name returns the name of the file that is being written, or was last.
func (r *Recorder) Name() string { return r.out.name }

// Written returns how many files, packets and bytes have been written so far,
// with what is still in the buffer. Files that a rotation deleted count, too.
func (r *Recorder) Written() (files int, packets, bytes int64) {
	bytes = r.bytes + r.w.off + int64(r.w.n)
	if r.w.err != nil {
		bytes = r.bytes + r.w.whole
	}
	return r.opened, r.packets + r.w.packets, bytes
}
