// Package pcapfile reads captures, pcap and pcapng files, plain or gzip, from
// disk or from a pipe; and writes pcapng files.
//
// A [Reader] recognises the format by content and fills a [Batch] with
// packets. Where the file can be mapped into memory packets are never copied;
// elsewhere they lie in a buffer of the batch. What a file says besides
// packets (interfaces, decryption secrets, names, comments) is kept within
// the bounds of [Config].
//
// A capture is hostile input. Whatever its bytes are, a Reader hands out the
// packets before the damage, then one [*Error]; it never looks for packets
// behind it.
//
// A [Writer] writes packets to an io.Writer. A [Recorder] writes what is
// captured live: to a file or several in turn, which are readable at any time.
package pcapfile

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"sync"
	"sync/atomic"
)

// A Packet is one captured packet.
type Packet struct {
	// Data is what was captured of it, link-layer header first. Its Batch says
	// how long it is valid. It must not be changed: it may be the file itself.
	Data []byte
	// Time is when it was captured, in nanoseconds since 1970 UTC. Zero means
	// that the file does not say (pcapng simple packet blocks).
	Time int64
	// Number is its number in the file, from 1.
	Number int64
	// Off is the offset of its record in the file, in bytes; in the
	// uncompressed data when the file is compressed.
	Off int64
	// Wire is its length on the wire in bytes. Some writers make it less than
	// len(Data).
	Wire uint32
	// Link is the LINKTYPE_ number of its interface, as in the file.
	Link uint16
	// Interface is the index of its interface in Reader.Interfaces.
	Interface uint16
}

// A Batch holds packets of a Reader. The zero Batch is ready to use.
//
// Data of its packets is valid until the batch is given to Read again or the
// Reader is closed, and other goroutines may use it meanwhile. A batch that is
// not given to Read any more keeps its part of the file in memory until then.
// A batch may go from one Reader to another, in the same goroutine.
type Batch struct {
	// Packets are the packets of the last Read, in file order.
	Packets []Packet

	store []Packet // Packets is store[:n]
	n     int
	buf   []byte  // the packets' bytes, unless the file is mapped
	owner *Reader // the mapped Reader whose bytes Packets refers to
	span  int64   // and the number of the span that they lie in
}

// Config bounds what a Reader does. A nil *Config and zero fields mean the
// defaults.
type Config struct {
	// MaxPacket is the captured length in bytes above which a record is taken
	// for damage, whatever the snapshot length says. Zero means 16 MiB, the
	// largest possible value is 1 GiB.
	MaxPacket int
	// BatchBytes is about how much of the file one Read walks through, from
	// 4 KiB to 64 MiB. Zero means 256 KiB. It bounds the memory of a batch, as
	// long as packets are not larger.
	BatchBytes int
	// MaxSecrets is how many bytes of decryption secrets are kept. Zero means
	// 4 MiB; less than zero keeps none.
	MaxSecrets int
	// MaxText is how many bytes of comments, names and descriptions are kept.
	// Zero means 2 MiB; less than zero keeps none.
	MaxText int
	// NoMap has files read into buffers instead of mapped into memory. Choose
	// it for files that may become shorter meanwhile.
	NoMap bool
}

const (
	defaultPacket  = 16 << 20
	largestPacket  = 1 << 30
	defaultBatch   = 256 << 10
	smallestBatch  = 4 << 10
	largestBatch   = 64 << 20
	defaultSecrets = 4 << 20
	defaultText    = 2 << 20
	largestOptions = 1 << 20 // beside a packet in a block, and all headers
)

// or returns c with the defaults in place.
func (c *Config) or() Config {
	var d Config
	if c != nil {
		d = *c
	}
	if d.MaxPacket <= 0 {
		d.MaxPacket = defaultPacket
	}
	d.MaxPacket = min(d.MaxPacket, largestPacket)
	if d.BatchBytes <= 0 {
		d.BatchBytes = defaultBatch
	}
	d.BatchBytes = min(max(d.BatchBytes, smallestBatch), largestBatch)
	if d.MaxSecrets == 0 {
		d.MaxSecrets = defaultSecrets
	}
	if d.MaxText == 0 {
		d.MaxText = defaultText
	}
	return d
}

// A Reader reads the packets of one capture.
//
// A file is mapped into memory on 64-bit unix systems. If it becomes
// shorter while it is mapped, touching bytes that are gone is a fault. Read
// turns its own faults into an *Error; who uses the packets afterwards, and
// cannot rule this out, calls debug.SetPanicOnFault or sets Config.NoMap. A
// file that grows is read up to the size it had when it was opened.
//
// Read and Close are for one goroutine at a time. The other methods may be
// called at any time, by any goroutine.
type Reader struct {
	name   string
	format string
	cfg    Config
	file   *os.File // to be closed, nil if it is not ours
	size   int64

	src   io.Reader // nil when the file is mapped
	read  *counter  // what has been read of the file itself
	gzip  bool      // src decompresses
	eager bool      // fill whole batches, since src never waits for traffic
	carry []byte    // bytes of src behind the last batch

	m mapping
	w window

	pcap   pcapState
	ng     ngState
	isNG   bool
	number int64 // of the last packet handed out
	err    error // sticky
	offset atomic.Int64

	mu   sync.Mutex
	meta meta
}

// Open opens the capture in the file path; "-" is standard input. The error is
// an *Error when the file could be read but is no capture.
func Open(path string, c *Config) (*Reader, error) {
	f, r := os.Stdin, &Reader{name: "standard input", cfg: c.or()}
	if path != "-" {
		var err error
		if f, err = os.Open(path); err != nil {
			return nil, err
		}
		r.name, r.file = path, f
	}
	if err := r.openFile(f); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// openFile finds out how f can be read.
func (r *Reader) openFile(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if st.IsDir() {
		return r.fail("", causef(ErrFormat, "a directory, not a capture"))
	}
	// files of procfs and the like say that they are empty
	if !st.Mode().IsRegular() || st.Size() == 0 {
		return r.openStream(f)
	}
	r.size, r.eager = st.Size(), true
	if pos, err := f.Seek(0, io.SeekCurrent); err == nil && pos == 0 && !r.cfg.NoMap {
		var head [headSize]byte
		n, err := f.ReadAt(head[:], 0)
		if err != nil && err != io.EOF {
			return err
		}
		if k := sniff(head[:n]); k == isPcap || k == isPcapng {
			if r.m.open(f, st.Size()) == nil {
				r.w = window{data: r.m.data, final: true}
				return r.start(head[:n])
			}
		}
	}
	return r.openStream(f)
}

// NewReader returns a Reader of the capture that rd delivers. The name is for
// error messages. It reads from rd as much as it needs to recognise the format.
func NewReader(rd io.Reader, name string, c *Config) (*Reader, error) {
	r := &Reader{name: name, cfg: c.or()}
	if err := r.openStream(rd); err != nil {
		return nil, err
	}
	return r, nil
}

// openStream recognises what rd delivers.
func (r *Reader) openStream(rd io.Reader) error {
	r.read = &counter{rd: rd}
	r.src = r.read
	head, err := readHead(r.src)
	if err != nil {
		return r.fail("", err)
	}
	if sniff(head) == isGzip {
		r.gzip = true
		z, err := newGunzip(io.MultiReader(bytes.NewReader(head), r.src))
		if err == nil {
			r.src = z
			head, err = readHead(z)
		}
		if err != nil {
			return r.fail("", r.sourceError(err))
		}
	}
	r.carry = head
	r.w.touched = math.MaxInt
	return r.start(head)
}

// start reads the beginning of the capture from head.
func (r *Reader) start(head []byte) error {
	switch sniff(head) {
	case isPcap:
		r.format = "pcap"
		if err := r.startPcap(head); err != nil {
			return err
		}
	case isPcapng:
		r.format, r.isNG = "pcapng", true
		r.ng.maxBlock = r.cfg.MaxPacket + largestOptions
	default:
		return r.fail("", describe(head, r.gzip))
	}
	if r.gzip {
		r.format += " gzip"
	}
	return nil
}

// Read fills b with the next packets: at least one, unless it returns an
// error. What b held before is given up.
//
// The error is io.EOF at the end of the capture, and an *Error where the rest
// cannot be read; every later call returns it again. The packets before the
// damage have been handed out by then.
func (r *Reader) Read(b *Batch) error {
	b.giveUp()
	b.n, b.Packets = 0, nil
	if r.err != nil {
		return r.err
	}
	if r.src == nil {
		r.err = r.readMapped(b)
		r.offset.Store(int64(r.w.pos))
	} else {
		r.err = r.readStream(b)
		r.offset.Store(r.read.n)
	}
	b.Packets = b.store[:b.n:b.n]
	if b.n > 0 {
		return nil
	}
	return r.err
}

// Close gives up what the Reader holds. No batch of it may be used any more.
func (r *Reader) Close() error {
	if r.err == nil || errors.Is(r.err, io.EOF) {
		r.err = os.ErrClosed
	}
	r.m.close()
	r.w.data = nil
	if r.file == nil {
		return nil
	}
	f := r.file
	r.file = nil
	return f.Close()
}

// Name returns the name of the capture, as in errors.
func (r *Reader) Name() string { return r.name }

// Format returns what the capture is: "pcap", "pcap ns" (with nanoseconds),
// "pcap modified" (with longer record headers) or "pcapng", and " gzip" behind
// it where it is compressed.
func (r *Reader) Format() string { return r.format }

// Size returns the size of the file in bytes, 0 when it is unknown.
func (r *Reader) Size() int64 { return r.size }

// Offset returns how many bytes of the file have been read. It grows to Size,
// also for compressed files.
func (r *Reader) Offset() int64 { return r.offset.Load() }

// Mapped reports whether the file is mapped into memory: then the packets'
// data are the file itself.
func (r *Reader) Mapped() bool { return r.src == nil }
