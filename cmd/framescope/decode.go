package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"framescope/capture/pcapfile"
	"framescope/cmd/framescope/internal/output"
	"framescope/decode/flow"
	"framescope/decode/record"
	"framescope/mptcpctl"
)

// decodeFlags are what `framescope decode` was told.
type decodeFlags struct {
	printFlags
	capture string // the capture filter; filter is that of records
	quiet   bool
}

func newDecode(std stdio) *cobra.Command {
	f := decodeFlags{printFlags: newPrintFlags()}
	c := &cobra.Command{
		Use:   "decode FILE...",
		Short: "Show the WebSocket sessions in captures",
		Long: `Decode shows the WebSocket sessions in pcap and pcapng files, plain or gzip; "-"
is standard input. For each session: the handshake, every frame with the packet
that brought it, what is wrong, how it ended, and what could not be decoded and
why.

Exit status: 0 done; 2 wrong usage, or a file that could not be read to its end,
after everything before the damage was printed; 3 a file that you may not read;
130 stopped by Ctrl-C, after what was read was printed.`,
		Example: `  framescope decode session.pcapng
  framescope decode -o wide --filter 'websocket.opcode == close' *.pcap
  framescope decode -o jsonl --select ws_message --payload full session.pcap.gz
  framescope decode --decode-as ws:9001 midstream.pcap
  framescope decode --framing length32:9000 --hexdump 'packet.first >= 12' session.pcap
  tcpdump -i lo -U -w - port 8765 | framescope decode -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return hinted{errors.New("decode: no capture is named"), "try: framescope decode FILE, or - for standard input"}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return decodeFiles(std, &f, args) },
	}
	f.register(c)
	c.Flags().StringVar(&f.hexdump, "hexdump", "", "dump the bytes of the frames that match the `expression`, or of all, field by field, with the packets they came in; nothing in them is redacted")
	_ = c.RegisterFlagCompletionFunc("hexdump", cobra.NoFileCompletions)
	c.Flags().StringVarP(&f.capture, "capture-filter", "f", "", "decode only packets that match the `expression` of pcap-filter(7), such as 'tcp port 8765'")
	_ = c.RegisterFlagCompletionFunc("capture-filter", cobra.NoFileCompletions)
	c.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "no progress line")
	return c
}

// decodeFiles runs `framescope decode`.
func decodeFiles(std stdio, f *decodeFlags, files []string) error {
	cfg, opts, err := f.plan(std)
	if err != nil {
		return err
	}
	opts.Files = len(files) > 1
	opts.Live = slices.ContainsFunc(files, endless)
	out, err := begin(std, &f.printFlags, &cfg, opts)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	d := decoding{std: std, out: out, ctx: ctx}
	var dumped atomic.Bool
	if match := cfg.Match; f.hexdump != "" {
		cfg.Match = func(r record.Record) bool {
			ok := match(r)
			if t := r.Type(); ok && (t == record.TypeFrame || t == record.TypeDeclared) && !dumped.Load() {
				dumped.Store(true)
			}
			return ok
		}
	}
	var matched atomic.Bool
	if pass := cfg.Match; f.filter != "" {
		types := opts.Types
		if types == 0 {
			types = output.DefaultTypes(f.format)
		}
		cfg.Match = func(r record.Record) bool {
			if !matched.Load() && types.Has(r.Type()) && opts.Match(r) {
				matched.Store(true)
			}
			return pass(r)
		}
	}
	d.cfg = cfg
	if d.filter, err = newFileFilter(f.capture); err != nil {
		return err
	}
	if !f.quiet && terminal(std.err) {
		d.bar = &progress{w: std.err}
	}
	code := exitDone
	d.cfg.FirstConn, d.cfg.FirstFlow, d.cfg.FirstMembership = 1, 1, 1
	for _, name := range files {
		err := d.file(name)
		d.bar.clear()
		if err != nil {
			if code = exitUsage; errors.Is(err, os.ErrPermission) {
				code = exitRefused
			}
			out.Flush()
			complain(std.err, err)
		}
		if d.broken != nil || ctx.Err() != nil {
			break
		}
	}
	if err := out.Close(); err != nil && d.broken == nil {
		return fmt.Errorf("standard output: %w", err)
	}
	if ctx.Err() != nil {
		return status(130)
	}
	switch {
	case len(cfg.Framings) > 0 && d.declared == 0:
		var ports []string
		for _, f := range cfg.Framings {
			ports = append(ports, strconv.Itoa(int(f.Port)))
		}
		complain(std.err, hinted{errors.New("no frame of a declared framing: TCP port " + strings.Join(ports, ", ")),
			"no connection has that port, or its bytes do not fit; see: framescope decode --select conn"})
	case f.hexdump != "" && !dumped.Load() && code == exitDone:
		complain(std.err, hinted{errors.New("no frame matches --hexdump"), "try: --hexdump all"})
	case f.filter != "" && !matched.Load() && code == exitDone:
		complain(std.err, errors.New("no record to print matches --filter "+shellQuote(f.filter)))
	}
	if code != exitDone {
		return status(code)
	}
	return nil
}

// endless reports whether a file may be long in coming: a pipe.
func endless(name string) bool {
	if name == "-" {
		return true
	}
	st, err := os.Stat(name)
	return err == nil && st.Mode()&(os.ModeNamedPipe|os.ModeCharDevice) != 0
}

// A decoding is one run over several captures.
type decoding struct {
	std    stdio
	cfg    flow.Config
	out    *output.Printer
	bar    *progress
	filter *fileFilter
	// declared counts the frames of declared framings.
	declared int64
	ctx      context.Context // done when the user wants an end
	broken   error           // the output cannot be written any more
}

// batchBytes is how much of a capture goes through the engine at once.
const batchBytes = 1 << 18

// file decodes one capture.
func (d *decoding) file(name string) error {
	r, err := d.open(name)
	if err != nil {
		return explainOpen(name, err)
	}
	if r == nil {
		return nil
	}
	return d.decode(name, r)
}

// decode decodes what r reads, and closes it.
func (d *decoding) decode(name string, r *pcapfile.Reader) error {
	cfg := d.cfg
	cfg.File, cfg.Lasting = name, r.Mapped()
	e := flow.New(cfg)
	// What was read is decoded to its end, unless that takes its time.
	defer context.AfterFunc(d.ctx, func() { time.AfterFunc(time.Second, e.Stop) })()
	free := make(chan *pcapfile.Batch, flow.Ahead+1)
	for range cap(free) {
		free <- new(pcapfile.Batch)
	}
	next := reading(r, free)
	var damage, unfit error
	for e.Err() == nil && d.ctx.Err() == nil {
		var b *pcapfile.Batch
		if b, damage = next(d.ctx); damage != nil {
			break
		}
		if damage = d.take(e, b.Packets); damage != nil {
			unfit = fmt.Errorf("%s: the filter cannot be used here: %w", name, damage)
			damage = nil
			break
		}
		e.Flush(func() {
			if !r.Mapped() {
				d.out.Flush() // more may be long in coming
			}
			free <- b
		})
		d.bar.show(name, r.Offset(), r.Size())
	}
	if errors.Is(damage, io.EOF) {
		damage = nil
	}
	stopped := errors.Is(damage, context.Canceled)
	for _, i := range r.Interfaces() {
		e.Dropped(max(i.Dropped, 0) + max(i.SystemDropped, 0))
	}
	sum, err := e.Close(damage != nil && !stopped)
	d.cfg.FirstConn += sum.Connections
	d.cfg.FirstFlow += sum.Flows
	d.cfg.FirstMembership += sum.Memberships
	d.declared += sum.Declared
	if r.Mapped() {
		r.Close() // others may be at work still, in a read that does not end
	}
	if err != nil {
		if !errors.Is(err, flow.ErrMemory) {
			d.broken = err
			return fmt.Errorf("standard output: %w", err)
		}
		damage = err
	}
	if d.ctx.Err() != nil {
		fmt.Fprintf(d.std.err, "framescope: stopped after packet %d of %s\n", sum.Packets, visible(name))
		return nil
	}
	if unfit != nil || damage == nil {
		return unfit
	}
	if errors.Is(damage, pcapfile.ErrTruncated) {
		return hinted{damage, "the capture was cut off; everything before that was decoded"}
	}
	return hinted{damage, "everything before the damage was decoded"}
}

// take gives the packets that the capture filter selects to the engine.
func (d *decoding) take(e *flow.Engine, ps []pcapfile.Packet) error {
	for i := range ps {
		if ok, err := d.filter.match(&ps[i]); err != nil {
			return fmt.Errorf("packet %d: %w", ps[i].Number, err)
		} else if ok {
			e.Packet((*flow.Packet)(&ps[i]))
		}
	}
	return nil
}

// open opens a capture. That may take as long as a pipe has nothing to say: it
// returns nil if the user wants an end before.
func (d *decoding) open(name string) (r *pcapfile.Reader, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		r, err = pcapfile.Open(name, &pcapfile.Config{BatchBytes: batchBytes})
	}()
	select {
	case <-done:
		return r, err
	case <-d.ctx.Done():
		return nil, nil
	}
}

// reading returns a function that returns the next packets of r, in one of the
// batches that are free. Files that are not mapped are read ahead by a
// goroutine: a read may not return for long, and gzip takes its time.
func reading(r *pcapfile.Reader, free chan *pcapfile.Batch) func(context.Context) (*pcapfile.Batch, error) {
	if r.Mapped() {
		return func(context.Context) (*pcapfile.Batch, error) {
			b := <-free
			return b, r.Read(b)
		}
	}
	type result struct {
		b   *pcapfile.Batch
		err error
	}
	ahead := make(chan result)
	go func() {
		for err := error(nil); err == nil; {
			b := <-free
			err = r.Read(b)
			ahead <- result{b, err}
		}
		r.Close()
	}()
	return func(ctx context.Context) (*pcapfile.Batch, error) {
		select {
		case got := <-ahead:
			return got.b, got.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// shellQuote returns a name as a shell reads it.
func shellQuote(name string) string { return mptcpctl.ShellWord(name) }

// explainOpen says what to do about a capture that cannot be opened.
func explainOpen(name string, err error) error {
	if errors.Is(err, os.ErrPermission) {
		return hinted{err, "you may not read it; try: sudo framescope decode " + shellQuote(name)}
	}
	return err
}

// A progress line says how far a long run has come.
type progress struct {
	w     io.Writer
	start time.Time
	next  time.Time
	shown bool
}

// show updates the line, a few times a second and not in the first one.
func (p *progress) show(name string, off, size int64) {
	if p == nil {
		return
	}
	now := time.Now()
	if p.start.IsZero() {
		p.start, p.next = now, now.Add(time.Second)
	}
	if now.Before(p.next) {
		return
	}
	p.next = now.Add(200 * time.Millisecond)
	p.shown = true
	mb := float64(off) / 1e6
	name = output.Visible(name)
	rate := mb / now.Sub(p.start).Seconds()
	if size > 0 {
		fmt.Fprintf(p.w, "\r%s  %3.0f%%  %.0f of %.0f MB  %.0f MB/s\x1b[K", name, 100*float64(off)/float64(size), mb, float64(size)/1e6, rate)
	} else {
		fmt.Fprintf(p.w, "\r%s  %.0f MB  %.0f MB/s\x1b[K", name, mb, rate)
	}
}

// clear takes the line away.
func (p *progress) clear() {
	if p != nil && p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
