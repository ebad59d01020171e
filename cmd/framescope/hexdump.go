package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"framescope/cmd/framescope/internal/output"
	"framescope/decode/dump"
	"framescope/decode/filter"
	"framescope/decode/framing"
)

// hexdumpFlags are what `framescope hexdump` was told.
type hexdumpFlags struct {
	format, framing, from, payload, color, diff string
	offset, length                              byteCount
	columns, width                              int
	hex, reverse, all, canonical, plain         bool
}

// dumpFormats are the formats of `framescope hexdump`.
var dumpFormats = []string{"canonical", "xxd", "plain", "annotated", "json"}

func newHexdump(std stdio) *cobra.Command {
	f := hexdumpFlags{length: -1}
	c := &cobra.Command{
		Use:   "hexdump [FILE]",
		Short: "Show bytes, and which field of a protocol each belongs to",
		Long: `Hexdump shows the bytes of a file, or of standard input: as hexdump -C and xxd
do, or, with --framing, each field of a protocol with its offset, its bytes, its
bits and its value. The framing is one that is built in or a file that declares
one (framescope framings). Where the bytes break it, the place is marked, and
decoding goes on at the next magic of the framing, if it has one.

With --hex the input is hex text: what tcpdump -x, Wireshark, hexdump, xxd or
od -t x1 print, plain digits, or a literal such as b'\x81\x05Hello' or
[]byte{0x81, 0x05}; quoted with "> ", too.

Exit status: 0 done, and nothing differs with --diff; 1 the inputs of --diff
differ; 2 wrong usage, input that cannot be read, or bytes that break the framing,
after everything that could be decoded was printed; 3 a file that you may not read.`,
		Example: `  framescope hexdump message.bin
  framescope hexdump --framing websocket stream.bin
  framescope hexdump --framing proto.yaml --offset 4096 --length 1024 stream.bin
  echo '81 05 48 65 6c 6c 6f' | framescope hexdump --hex --framing websocket
  framescope hexdump --framing length32,order=little,max=65536 stream.bin
  framescope hexdump message.bin | sed 's/^/> /' >quoted.txt
  framescope hexdump -r dump.txt >message.bin`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			name := "-"
			if len(args) > 0 {
				name = args[0]
			}
			return hexdump(std, &f, name)
		},
	}
	fl := c.Flags()
	fl.SortFlags = false
	fl.StringVar(&f.framing, "framing", "", "the framing: a `name`, or a file that declares one; options behind commas: order=little, max=BYTES, magic=NUMBER")
	fl.StringVar(&f.format, "format", "", "canonical, xxd, plain, annotated or json; annotated with --framing, else canonical")
	fl.BoolVarP(&f.canonical, "canonical", "C", false, "--format canonical, as hexdump -C")
	fl.BoolVarP(&f.plain, "plain", "p", false, "--format plain: hex digits alone, as xxd -p")
	fl.VarP(&f.offset, "offset", "s", "`bytes` to pass over before the first one, such as 4096, 0x1000 or 4K")
	fl.VarP(&f.length, "length", "n", "`bytes` to read at most; -1: all")
	fl.BoolVar(&f.hex, "hex", false, "the input is hex text")
	fl.BoolVarP(&f.reverse, "reverse", "r", false, "write the bytes that a dump or hex text stands for")
	fl.StringVar(&f.diff, "diff", "", "show where the input differs from this `file`")
	fl.StringVar(&f.from, "dir", "", "who sent the bytes: client or server; empty: either")
	fl.StringVar(&f.payload, "payload", "preview", "what to show of payloads: none, preview or full")
	fl.IntVarP(&f.columns, "columns", "c", 0, "bytes in a row; 0: 16, and more on a terminal that has room for them")
	fl.BoolVarP(&f.all, "all", "v", false, "print rows that repeat")
	fl.IntVar(&f.width, "width", 0, "`characters` of a line; 0: those of the terminal, or 80")
	fl.StringVar(&f.color, "color", "auto", "colours: auto, always or never; NO_COLOR is obeyed")
	complete := func(name string, values ...string) {
		_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	complete("format", dumpFormats...)
	complete("dir", "client", "server")
	complete("payload", payloadModes[:3]...)
	complete("color", "auto", "always", "never")
	for _, name := range []string{"offset", "length", "columns", "width"} {
		_ = c.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	_ = c.RegisterFlagCompletionFunc("framing", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return framing.Names(), cobra.ShellCompDirectiveDefault
	})
	return c
}

// A byteCount is a flag for a number of bytes of any size.
type byteCount int64

func (n *byteCount) String() string { return strconv.FormatInt(int64(*n), 10) }

func (n *byteCount) Type() string { return "bytes" }

func (n *byteCount) Set(v string) error {
	if i, err := strconv.ParseInt(v, 0, 64); err == nil {
		*n = byteCount(i)
		return nil
	}
	var s size
	if s.Set(v) != nil {
		return errors.New("expected a number of bytes such as 4096, 0x1000 or 4K")
	}
	*n = byteCount(s)
	return nil
}

// check looks at flags that do not go together.
func (f *hexdumpFlags) check() error {
	for _, short := range []struct {
		flag, format string
		set          bool
	}{{"-C", "canonical", f.canonical}, {"-p", "plain", f.plain}} {
		if !short.set || f.reverse && f.format == "" {
			continue
		}
		if f.format != "" && f.format != short.format {
			return fmt.Errorf("%s: expected no --format %s", short.flag, f.format)
		}
		f.format = short.format
	}
	if f.format == "" {
		f.format = "canonical"
		if f.framing != "" {
			f.format = "annotated"
		}
	}
	framed := f.format == "annotated" || f.format == "json"
	switch {
	case !slices.Contains(dumpFormats, f.format):
		return fmt.Errorf("--format %q: expected %s", f.format, strings.Join(dumpFormats, ", "))
	case f.reverse && (f.framing != "" || f.diff != "" || f.offset != 0 || f.length >= 0):
		return errors.New("--reverse: expected neither --framing, --diff, --offset nor --length")
	case framed && f.framing == "":
		return hinted{fmt.Errorf("--format %s: expected --framing, too", f.format), "see: framescope framings"}
	case !framed && f.framing != "":
		return fmt.Errorf("--format %s: expected annotated or json with --framing", f.format)
	case f.diff != "" && framed:
		return hinted{errors.New("--diff: expected no --framing: it compares bytes"), "to compare frames, dump both: diff <(framescope hexdump --framing ... A) <(framescope hexdump --framing ... B)"}
	case f.offset < 0:
		return fmt.Errorf("--offset %d: expected 0 or more", f.offset)
	case f.length < -1:
		return fmt.Errorf("--length %d: expected 0 or more, or -1", f.length)
	case f.columns < 0 || f.columns > dump.MaxColumns:
		return fmt.Errorf("--columns %d: expected 0 to %d", f.columns, dump.MaxColumns)
	case checkWidth(f.width) != nil:
		return checkWidth(f.width)
	case !slices.Contains(payloadModes[:3], f.payload):
		return fmt.Errorf("--payload %q: expected %s", f.payload, strings.Join(payloadModes[:3], ", "))
	case !slices.Contains([]string{"", "client", "server"}, f.from):
		return fmt.Errorf("--dir %q: expected client or server", f.from)
	case !slices.Contains([]string{"auto", "always", "never"}, f.color):
		return fmt.Errorf("--color %q: expected auto, always or never", f.color)
	}
	return nil
}

// hexdump runs `framescope hexdump`.
func hexdump(std stdio, f *hexdumpFlags, name string) error {
	if err := f.check(); err != nil {
		return err
	}
	var fr *framing.Framing
	if f.framing != "" {
		var err error
		if fr, err = findFraming(f.framing); err != nil {
			return err
		}
	}
	if f.reverse && terminal(std.out) {
		return hinted{errors.New("hexdump -r: standard output is a terminal, and bytes may do anything to it"), "try: framescope hexdump -r " + shellQuote(name) + " >message.bin"}
	}
	if name == "-" && terminal(std.in) {
		return hinted{errors.New("hexdump: no file is named"), "try: framescope hexdump FILE, or pipe bytes into it"}
	}
	skip := int64(f.offset)
	if f.hex || f.reverse { // the offset is one of the bytes that the text stands for
		skip = 0
	}
	in, err := openBytes(std, name, skip)
	if err != nil {
		return err
	}
	defer in.Close()
	if f.reverse {
		t := dump.Text{W: std.out}
		if _, err := t.ReadFrom(in); err != nil {
			return fmt.Errorf("%s: %w", inputName(name), err)
		}
		return nil
	}
	var r io.Reader = in
	if f.hex {
		if r, err = hexText(in, name, int64(f.offset)); err != nil {
			return err
		}
	}
	if f.length >= 0 {
		r = io.LimitReader(r, int64(f.length))
	}
	color := f.color == "always" || f.color == "auto" && terminal(std.out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	width := f.width
	if width == 0 {
		width = columns(std.out)
	}
	switch {
	case f.diff != "":
		return diffBytes(std, f, r, name, color)
	case fr != nil:
		return dumpFrames(std, f, fr, r, name, width, color)
	}
	w := dump.Writer{W: std.out, Columns: f.columns, Off: in.off, All: f.all}
	switch f.format {
	case "xxd":
		w.Layout = dump.XXD
	case "plain":
		w.Layout = dump.Plain
	}
	if f.columns == 0 && w.Layout != dump.Plain && (f.width > 0 || terminal(std.out)) {
		w.Columns = dump.Fit(w.Layout, width)
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{&w}, struct{ io.Reader }{flushing{r, &w}}, make([]byte, 64<<10))
	if e := w.Close(); err == nil {
		err = e
	}
	return explainBytes(name, err)
}

// flushing is a reader that shows what came before it waits for more.
type flushing struct {
	io.Reader
	w *dump.Writer
}

func (f flushing) Read(p []byte) (int, error) {
	if err := f.w.Flush(); err != nil {
		return 0, err
	}
	return f.Reader.Read(p)
}

// byteInput is what is dumped. off is the offset of its first byte.
type byteInput struct {
	io.ReadCloser
	off int64
}

// openBytes opens a file, or standard input, and passes over the first bytes.
func openBytes(std stdio, name string, offset int64) (*byteInput, error) {
	file := std.in
	if name != "-" {
		var err error
		if file, err = os.Open(name); err != nil {
			return nil, explainMissing(name, err)
		}
	}
	in := &byteInput{ReadCloser: io.NopCloser(file), off: offset}
	if name != "-" {
		in.ReadCloser = file
	}
	if offset == 0 {
		return in, nil
	}
	if st, err := file.Stat(); err == nil && st.Mode().IsRegular() && name != "-" {
		if offset > st.Size() {
			file.Close()
			return nil, beyond(name, offset, st.Size())
		}
		_, err := file.Seek(offset, io.SeekStart)
		return in, err
	}
	if n, err := io.CopyN(io.Discard, file, offset); errors.Is(err, io.EOF) {
		return nil, beyond(name, offset, n)
	} else if err != nil {
		return nil, explainBytes(name, err)
	}
	return in, nil
}

// explainMissing says what may have been meant by the name of a file that is not
// there: another one beside it, or bytes.
func explainMissing(name string, err error) error {
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if b := (bytes.Buffer{}); len(name) > 3 {
		t := dump.Text{W: &b}
		if _, e := t.ReadFrom(strings.NewReader(name)); e == nil && b.Len() > 1 {
			return hinted{err, "for hex text try: echo " + shellQuote(name) + " | framescope hexdump --hex"}
		}
	}
	dir, base := filepath.Split(name)
	entries, e := os.ReadDir(cmp.Or(dir, "."))
	if e != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	if near := filter.Nearest(base, names); near != "" && near != base {
		return hinted{err, "did you mean " + shellQuote(output.Visible(dir+near)) + "?"}
	}
	return hinted{err, "- stands for standard input"}
}

// beyond is the error for an offset that the input does not have.
func beyond(name string, offset, size int64) error {
	return fmt.Errorf("%s has %s: there is no offset %d", inputName(name), output.Count(size, "byte", "bytes"), offset)
}

// inputName is what errors call an input.
func inputName(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}

// maxHex bounds what hex text stands for.
const maxHex = 64 << 20

// hexText reads hex text as a whole, so that nothing is shown of one that is
// wrong, and passes over the first bytes.
func hexText(in *byteInput, name string, offset int64) (io.Reader, error) {
	var b limitedBuffer
	t := dump.Text{W: &b}
	if _, err := t.ReadFrom(in); err != nil {
		return nil, fmt.Errorf("%s: %w", inputName(name), err)
	}
	if offset > int64(b.Len()) {
		return nil, beyond(name, offset, int64(b.Len()))
	}
	in.off = offset
	b.Next(int(in.off))
	return &b.Buffer, nil
}

type limitedBuffer struct{ bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxHex {
		return 0, fmt.Errorf("more than %d bytes of hex text", maxHex)
	}
	return b.Buffer.Write(p)
}

// explainBytes names the input in an error.
func explainBytes(name string, err error) error {
	if err == nil {
		return nil
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return err
	}
	return fmt.Errorf("%s: %w", inputName(name), err)
}

// maxDiff bounds the inputs of --diff.
const maxDiff = 256 << 20

// diffBytes shows where two inputs differ.
func diffBytes(std stdio, f *hexdumpFlags, r io.Reader, name string, color bool) error {
	skip := int64(f.offset)
	if f.hex {
		skip = 0
	}
	other, err := openBytes(std, f.diff, skip)
	if err != nil {
		return err
	}
	defer other.Close()
	var second io.Reader = other
	if f.hex {
		if second, err = hexText(other, f.diff, int64(f.offset)); err != nil {
			return err
		}
	}
	if f.length >= 0 {
		second = io.LimitReader(second, int64(f.length))
	}
	a, err := io.ReadAll(io.LimitReader(second, maxDiff+1))
	if err != nil {
		return explainBytes(f.diff, err)
	}
	b, err := io.ReadAll(io.LimitReader(r, maxDiff+1))
	if err != nil {
		return explainBytes(name, err)
	}
	if len(a) > maxDiff || len(b) > maxDiff {
		return fmt.Errorf("--diff: an input has more than %d bytes; try --offset and --length", maxDiff)
	}
	d := dump.Diff{W: std.out, Color: color, Base: int64(f.offset)}
	fmt.Fprintf(std.out, "- %s\n+ %s\n", output.Visible(f.diff), output.Visible(name))
	differs, err := d.Write(a, b)
	if err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	if differs {
		return status(exitFailed)
	}
	if _, err := fmt.Fprintf(std.out, "identical, %s\n", output.Bytes(int64(len(a)))); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}
