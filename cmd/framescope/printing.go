package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"framescope/cmd/framescope/internal/output"
	"framescope/decode/filter"
	"framescope/decode/flow"
	"framescope/decode/framing"
	"framescope/decode/record"
)

// printFlags say what is decoded, and how it is printed: the flags that decode and
// capture share.
type printFlags struct {
	format, sel, payload, filter, color, overlap string
	decodeAs, framings                           []string
	hexdump                                      string // frames to dump
	showSecrets                                  bool
	width                                        int
	maxMemory, maxMessage, maxInflate, maxStream size
}

// newPrintFlags returns the defaults.
func newPrintFlags() printFlags {
	return printFlags{maxMemory: 384 << 20, maxMessage: 16 << 20, maxInflate: 256 << 20, maxStream: 16 << 20}
}

// register declares the flags, and what completes them.
func (f *printFlags) register(c *cobra.Command) {
	f.declare(c.Flags())
	complete := func(name string, values ...string) {
		_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	complete("output", output.Formats...)
	_ = c.RegisterFlagCompletionFunc("select", completeList(func() []string { return append(typeNames(), "all") }))
	for _, name := range []string{"filter", "decode-as", "framing", "width", "max-memory", "max-stream", "max-message", "max-inflate"} {
		_ = c.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	complete("payload", payloadModes...)
	complete("color", "auto", "always", "never")
	complete("overlap", "first", "last")
}

func (f *printFlags) declare(fl *pflag.FlagSet) {
	fl.StringVarP(&f.format, "output", "o", "table", "`format`: table, wide, json, jsonl or csv")
	fl.StringVar(&f.sel, "select", "", "record `types` to print, separated by commas: "+strings.Join(typeNames(), ", ")+", all")
	fl.StringVar(&f.payload, "payload", "preview", "what to show of payloads: none, preview, full or sha256; tables show what fits")
	fl.StringVarP(&f.filter, "filter", "Y", "", "print only records that match the `expression`, such as 'websocket.opcode == close'; docs/output.md lists the fields")
	fl.StringSliceVar(&f.decodeAs, "decode-as", nil, "take a TCP port for WebSocket without a handshake: ws:`PORT`")
	fl.StringArrayVar(&f.framings, "framing", nil, "take a TCP port for a declared framing: `NAME:PORT` or FILE:PORT, also NAME,order=little:PORT, and PORT/client or PORT/server for one side; framescope framings lists them")
	fl.StringVar(&f.color, "color", "auto", "colours: auto, always or never; NO_COLOR is obeyed")
	fl.IntVar(&f.width, "width", 0, "`columns` of a table; 0: those of the terminal, or 80")
	fl.BoolVar(&f.showSecrets, "show-secrets", false, "show passwords, tokens and cookies")
	fl.StringVar(&f.overlap, "overlap", "first", "which of overlapping segments that differ counts: first or last")
	fl.Var(&f.maxMemory, "max-memory", "memory for connections and what they hold")
	fl.Var(&f.maxStream, "max-stream", "out-of-order data of one direction that is kept")
	fl.Var(&f.maxMessage, "max-message", "how much of one message is kept; at most 1/48 of --max-memory")
	fl.Var(&f.maxInflate, "max-inflate", "how far one message may inflate")
}

// completeList completes the last of several words with commas between them.
func completeList(words func() []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) (all []string, _ cobra.ShellCompDirective) {
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		for _, w := range words() {
			all = append(all, before+w)
		}
		return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

var payloadModes = []string{"none", "preview", "full", "sha256"}

// previewChars is how much of a payload is shown unless it is asked for whole.
const previewChars = 80

func typeNames() (names []string) {
	for t := range record.Types {
		if typ := record.Type(t); record.Captured.Has(typ) {
			names = append(names, typ.String())
		}
	}
	return names
}

// plan turns flags into what the engine and the printer are to do.
func (f *printFlags) plan(std stdio) (cfg flow.Config, o output.Options, err error) {
	if !slices.Contains(output.Formats, f.format) {
		return cfg, o, fmt.Errorf("--output %q: expected %s", f.format, strings.Join(output.Formats, ", "))
	}
	if f.hexdump != "" {
		if f.sel != "" || f.format != "table" && f.format != "wide" {
			return cfg, o, errors.New("--hexdump is a format of its own: it goes with neither --select nor -o")
		}
		f.format = output.Hexdump
		cfg.Raw = 64 << 10
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
		if cfg.Raw > 0 {
			cfg.Raw = 8 << 20
		}
	case "sha256":
		o.Payload = -1
	default:
		return cfg, o, fmt.Errorf("--payload %q: expected %s", f.payload, strings.Join(payloadModes, ", "))
	}
	table := f.format == "table" || f.format == "wide"
	cfg.Digest = types.Has(record.TypeMessage) && f.payload != "none" && (!table || f.payload == "sha256")
	match, err := compileFilter("--filter", f.filter)
	if err != nil {
		return cfg, o, err
	}
	if f.filter != "" {
		o.Match = match.Match
		cfg.Match = match.Match
		if table {
			// What is selected has a heading and an end, too.
			cfg.Match = func(r record.Record) bool { return output.Context.Has(r.Type()) || match.Match(r) }
		}
		cfg.Digest = cfg.Digest || match.Uses("websocket.sha256")
		cfg.Full = cfg.Full || usesPayload(match)
	}
	var dumped *filter.Filter
	if f.hexdump != "" {
		expr := f.hexdump
		if expr == "all" {
			expr = ""
		}
		if dumped, err = compileFilter("--hexdump", expr); err != nil {
			return cfg, o, err
		}
		also := cfg.Match
		cfg.Match = func(r record.Record) bool { return dumped.Match(r) && (also == nil || also(r)) }
		cfg.Full = cfg.Full || usesPayload(dumped)
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
	for _, v := range f.framings {
		if err := f.declareFraming(&cfg, v); err != nil {
			return cfg, o, err
		}
	}
	if err := checkDeclared("--filter", f.filter, match, cfg.Framings); err != nil {
		return cfg, o, err
	}
	if err := checkDeclared("--hexdump", f.hexdump, dumped, cfg.Framings); err != nil {
		return cfg, o, err
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
	if o.Width = f.width; checkWidth(o.Width) != nil {
		return cfg, o, checkWidth(o.Width)
	}
	if o.Width == 0 {
		o.Width = columns(std.out)
	}
	return cfg, o, nil
}

// compileFilter reads a filter over records of captures, which flag has.
func compileFilter(flag, expr string) (*filter.Filter, error) {
	match, err := filter.Compile(expr)
	if err != nil {
		return nil, marked(flag, err)
	}
	if match.Types()&record.Captured == 0 {
		return nil, hinted{fmt.Errorf("%s: no record of a capture has what this asks for: %s", flag, match), "sockets of this host are filtered with framescope sockets -Y"}
	}
	return match, nil
}

// usesPayload reports whether a filter looks at payloads: it has to see them whole.
func usesPayload(f *filter.Filter) bool {
	return f.Uses("websocket.payload") || f.Uses("websocket.payload_hex") || f.Uses("frame.payload") || f.Uses("frame.payload_hex")
}

// declareFraming adds a framing for a port, as --framing has it.
func (f *printFlags) declareFraming(cfg *flow.Config, v string) error {
	at := strings.LastIndexByte(v, ':')
	port, side, from := v[at+1:], "", framing.Either
	if i := strings.IndexByte(port, '/'); i >= 0 {
		port, side = port[:i], port[i+1:]
	}
	switch side {
	case "":
	case "client":
		from = framing.Client
	case "server":
		from = framing.Server
	default:
		return fmt.Errorf("--framing %q: expected client or server behind the /, found %q", v, side)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if at <= 0 || err != nil || n == 0 {
		return hinted{fmt.Errorf("--framing %q: expected NAME:PORT or FILE:PORT, such as length32:9000", v), "framescope framings lists the names"}
	}
	for _, old := range cfg.Framings {
		if old.Port == uint16(n) {
			return fmt.Errorf("--framing %q: port %d has a framing already: %s", v, n, old.Framing.Name())
		}
	}
	fr, err := findFraming(v[:at])
	if err != nil {
		return err
	}
	cfg.Framings = append(cfg.Framings, flow.Framing{Port: uint16(n), Framing: fr, From: from})
	return nil
}

// How wide a table can be, in columns.
const (
	minWidth = 60
	maxWidth = 4096
)

func checkWidth(n int) error {
	if n != 0 && (n < minWidth || n > maxWidth) {
		return fmt.Errorf("--width %d: expected 0, or %d to %d", n, minWidth, maxWidth)
	}
	return nil
}

// minMemory is the least that the engine can work with.
const minMemory = 64 << 20

func parseTypes(list string) (set record.Set, err error) {
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if name == "all" {
			set |= record.Captured
			continue
		}
		t, ok := record.ParseType(name)
		if !ok || !record.Captured.Has(t) {
			return 0, hinted{fmt.Errorf("--select: there is no record type %q", name), "types: " + strings.Join(typeNames(), ", ") + ", all"}
		}
		set |= record.Of(t)
	}
	return set, nil
}

func terminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

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

// begin makes the printer, and what the engine has to know of it.
func begin(std stdio, f *printFlags, cfg *flow.Config, o output.Options) (*output.Printer, error) {
	cfg.Step = limitHeap(cfg.MaxMemory)
	out, err := output.New(std.out, f.format, o)
	if err != nil {
		return nil, err
	}
	cfg.Join = f.format == "jsonl"
	cfg.Encoder = func() flow.Encoder { return out.Encoder() }
	cfg.Output = func(it *flow.Item) error { return out.Write(output.Item(*it)) }
	return out, nil
}
