package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"framescope/capture/pcapfile"
	"framescope/cmd/framescope/internal/output"
	"framescope/decode/filter"
	"framescope/decode/flow"
	"framescope/decode/record"
)

// decodeFlags are what `framescope decode` was told.
type decodeFlags struct {
	format, sel, payload, filter, color, overlap string
	decodeAs                                     []string
	showSecrets, quiet                           bool
	width                                        int
	maxMemory, maxMessage, maxInflate, maxStream size
}

func newDecode(std stdio) *cobra.Command {
	f := decodeFlags{maxMemory: 384 << 20, maxMessage: 16 << 20, maxInflate: 256 << 20, maxStream: 16 << 20}
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
  tcpdump -i lo -U -w - port 8765 | framescope decode -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return hinted{errors.New("decode: no capture is named"), "try: framescope decode FILE, or - for standard input"}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return decodeFiles(std, &f, args) },
	}
	f.register(c.Flags())
	complete := func(name string, values ...string) {
		_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	complete("output", output.Formats...)
	_ = c.RegisterFlagCompletionFunc("select", func(_ *cobra.Command, _ []string, typed string) (all []string, _ cobra.ShellCompDirective) {
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		for _, name := range append(typeNames(), "all") {
			all = append(all, before+name)
		}
		return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
	for _, name := range []string{"filter", "decode-as", "width", "max-memory", "max-stream", "max-message", "max-inflate"} {
		_ = c.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	complete("payload", payloadModes...)
	complete("color", "auto", "always", "never")
	complete("overlap", "first", "last")
	return c
}

// register declares the flags.
func (f *decodeFlags) register(fl *pflag.FlagSet) {
	fl.SortFlags = false
	fl.StringVarP(&f.format, "output", "o", "table", "`format`: table, wide, json, jsonl or csv")
	fl.StringVar(&f.sel, "select", "", "record `types` to print, separated by commas: "+strings.Join(typeNames(), ", "))
	fl.StringVar(&f.payload, "payload", "preview", "what to show of payloads: none, preview, full or sha256; tables show what fits")
	fl.StringVarP(&f.filter, "filter", "Y", "", "print only records that match the `expression`, such as 'websocket.opcode == close'")
	fl.StringSliceVar(&f.decodeAs, "decode-as", nil, "take a TCP port for WebSocket without a handshake: ws:`PORT`")
	fl.StringVar(&f.color, "color", "auto", "colours: auto, always or never; NO_COLOR is obeyed")
	fl.IntVar(&f.width, "width", 0, "`columns` of a table; 0: those of the terminal, or 80")
	fl.BoolVar(&f.showSecrets, "show-secrets", false, "show passwords, tokens and cookies")
	fl.StringVar(&f.overlap, "overlap", "first", "which of overlapping segments that differ counts: first or last")
	fl.Var(&f.maxMemory, "max-memory", "memory for connections and what they hold")
	fl.Var(&f.maxStream, "max-stream", "out-of-order data of one direction that is kept")
	fl.Var(&f.maxMessage, "max-message", "how much of one message is kept; at most 1/48 of --max-memory")
	fl.Var(&f.maxInflate, "max-inflate", "how far one message may inflate")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "no progress line")
}

var payloadModes = []string{"none", "preview", "full", "sha256"}

// previewChars is how much of a payload is shown unless it is asked for whole.
const previewChars = 80

func typeNames() (names []string) {
	for t := range record.Types {
		names = append(names, record.Type(t).String())
	}
	return names
}

// A size is a flag for a number of bytes, such as 64M.
type size int64

func (s *size) String() string {
	n, units := int64(*s), []string{"", "K", "M", "G"}
	for n >= 1024 && n%1024 == 0 && len(units) > 1 {
		n, units = n/1024, units[1:]
	}
	return strconv.FormatInt(n, 10) + units[0]
}

func (s *size) Type() string { return "size" }

func (s *size) Set(v string) error {
	digits := strings.TrimSuffix(strings.ToUpper(v), "B")
	if len(digits) < len(v) {
		digits = strings.TrimSuffix(digits, "I")
	}
	shift := 0
	switch {
	case strings.HasSuffix(digits, "K"):
		shift = 10
	case strings.HasSuffix(digits, "M"):
		shift = 20
	case strings.HasSuffix(digits, "G"):
		shift = 30
	}
	if shift > 0 {
		digits = digits[:len(digits)-1]
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n <= 0 || n > 1<<40>>shift {
		return errors.New("expected a number of bytes such as 500000, 64K, 256M or 1G")
	}
	*s = size(n << shift)
	return nil
}

// plan turns flags into what the engine and the printer are to do.
func (f *decodeFlags) plan(std stdio, files []string) (cfg flow.Config, o output.Options, err error) {
	if !slices.Contains(output.Formats, f.format) {
		return cfg, o, fmt.Errorf("--output %q: expected %s", f.format, strings.Join(output.Formats, ", "))
	}
	types := output.DefaultTypes(f.format)
	if f.sel != "" {
		if types, err = parseTypes(f.sel); err != nil {
			return cfg, o, err
		}
		o.Types = types
	}
	switch f.payload {
	case "none":
		o.Payload = -1
	case "preview":
		o.Payload = previewChars
		cfg.Preview = 4 * 256 // bytes of a line's width in characters
	case "full":
		cfg.Full = true
	case "sha256":
		o.Payload = -1
	default:
		return cfg, o, fmt.Errorf("--payload %q: expected %s", f.payload, strings.Join(payloadModes, ", "))
	}
	table := f.format == "table" || f.format == "wide"
	cfg.Digest = types.Has(record.TypeMessage) && f.payload != "none" && (!table || f.payload == "sha256")
	match, err := filter.Compile(f.filter)
	if err != nil {
		return cfg, o, fmt.Errorf("--filter: %w", err)
	}
	if f.filter != "" {
		o.Match = match.Match
		cfg.Match = match.Match
		if table {
			// What is selected has a heading and an end, too.
			cfg.Match = func(r record.Record) bool { return output.Context.Has(r.Type()) || match.Match(r) }
		}
		cfg.Digest = cfg.Digest || match.Uses("websocket.sha256")
		cfg.Full = cfg.Full || match.Uses("websocket.payload") || match.Uses("websocket.payload_hex")
	}
	cfg.Want = output.NeededTypes(f.format, types)
	switch f.overlap {
	case "first":
	case "last":
		cfg.KeepLast = true
	default:
		return cfg, o, fmt.Errorf("--overlap %q: expected first or last", f.overlap)
	}
	for _, v := range f.decodeAs {
		proto, port, _ := strings.Cut(v, ":")
		n, err := strconv.ParseUint(port, 10, 16)
		if proto != "ws" || err != nil || n == 0 {
			return cfg, o, fmt.Errorf("--decode-as %q: expected ws:PORT, such as ws:9001", v)
		}
		cfg.DecodeAs = append(cfg.DecodeAs, uint16(n))
	}
	if !f.showSecrets {
		cfg.Redact = record.NewRedactor()
	}
	if f.maxMemory < minMemory {
		return cfg, o, fmt.Errorf("--max-memory %v: expected 64M or more", &f.maxMemory)
	}
	o.MaxHeld = int(min(f.maxMemory/16, 16<<20))
	cfg.MaxMemory, cfg.MaxMessage = int64(f.maxMemory), int64(f.maxMessage)
	cfg.MaxInflate, cfg.MaxStream = int64(f.maxInflate), int(min(f.maxStream, 1<<30))
	switch f.color {
	case "always":
		o.Color = true
	case "never":
	case "auto":
		o.Color = terminal(std.out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	default:
		return cfg, o, fmt.Errorf("--color %q: expected auto, always or never", f.color)
	}
	if o.Width = f.width; o.Width != 0 && (o.Width < minWidth || o.Width > maxWidth) {
		return cfg, o, fmt.Errorf("--width %d: expected 0, or %d to %d", o.Width, minWidth, maxWidth)
	}
	if o.Width == 0 {
		o.Width = columns(std.out)
	}
	o.Files = len(files) > 1
	o.Live = slices.ContainsFunc(files, endless)
	return cfg, o, nil
}

// How wide a table can be, in columns.
const (
	minWidth = 40
	maxWidth = 4096
)

// minMemory is the least that the engine can work with.
const minMemory = 64 << 20

func parseTypes(list string) (set record.Set, err error) {
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if name == "all" {
			set |= record.All
			continue
		}
		t, ok := record.ParseType(name)
		if !ok {
			return 0, hinted{fmt.Errorf("--select: there is no record type %q", name), "types: " + strings.Join(typeNames(), ", ") + ", all"}
		}
		set |= record.Of(t)
	}
	return set, nil
}

func terminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// endless reports whether a file may be long in coming: a pipe.
func endless(name string) bool {
	if name == "-" {
		return true
	}
	st, err := os.Stat(name)
	return err == nil && st.Mode()&(os.ModeNamedPipe|os.ModeCharDevice) != 0
}

// columns is the width of the terminal, or what COLUMNS says.
func columns(f *os.File) int {
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
		return w
	}
	w, _ := strconv.Atoi(os.Getenv("COLUMNS"))
	if w < minWidth || w > maxWidth {
		return 0
	}
	return w
}

// decodeFiles runs `framescope decode`.
func decodeFiles(std stdio, f *decodeFlags, files []string) error {
	cfg, opts, err := f.plan(std, files)
	if err != nil {
		return err
	}
	limitHeap(cfg.MaxMemory)
	out, err := output.New(std.out, f.format, opts)
	if err != nil {
		return err
	}
	cfg.Join = f.format == "jsonl"
	cfg.Encoder = func() flow.Encoder { return out.Encoder() }
	cfg.Output = func(it *flow.Item) error { return out.Write(output.Item(*it)) }
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	d := decoding{std: std, cfg: cfg, out: out, ctx: ctx}
	if !f.quiet && terminal(std.err) {
		d.bar = &progress{w: std.err}
	}
	code := exitDone
	d.cfg.FirstConn = 1
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
	if code != exitDone {
		return status(code)
	}
	return nil
}

// A decoding is one run over several captures.
type decoding struct {
	std    stdio
	cfg    flow.Config
	out    *output.Printer
	bar    *progress
	ctx    context.Context // done when the user wants an end
	broken error           // the output cannot be written any more
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
	var damage error
	for e.Err() == nil && d.ctx.Err() == nil {
		var b *pcapfile.Batch
		if b, damage = next(d.ctx); damage != nil {
			break
		}
		for i := range b.Packets {
			e.Packet((*flow.Packet)(&b.Packets[i]))
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
	if damage == nil {
		return nil
	}
	if errors.Is(damage, pcapfile.ErrTruncated) {
		return hinted{damage, "the capture was cut off; everything before that was decoded"}
	}
	return hinted{damage, "everything before the damage was decoded"}
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
func shellQuote(name string) string {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+,:@%") == "" {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

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
