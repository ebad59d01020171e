package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"framescope/cmd/framescope/internal/output"
	"framescope/decode/filter"
	"framescope/decode/framing"
)

func newFramings(std stdio) *cobra.Command {
	c := &cobra.Command{
		Use:   "framings [NAME|FILE]",
		Short: "List the framings that hexdump knows, or explain one",
		Long: `Framings lists the framings that are built in. With a name it shows what that
one is and its declaration, which can serve as a beginning for your own; with a
file it checks the declaration in it. docs/framings.md describes the language.

Exit status: 0 done; 2 wrong usage, or a declaration that is wrong.`,
		Example: `  framescope framings
  framescope framings http2
  framescope framings length32 >proto.yaml && framescope framings proto.yaml`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return framing.Names(), cobra.ShellCompDirectiveDefault
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return listFramings(std)
			}
			return explainFraming(std, args[0])
		},
	}
	return c
}

func listFramings(std stdio) error {
	var rows [][]string
	for _, name := range framing.Names() {
		f, err := framing.Builtin(name, framing.Options{})
		if err != nil {
			return err
		}
		rows = append(rows, []string{name, f.Title()})
	}
	_, err := std.out.Write(output.Short([]string{"framing", "what it is"}, rows, 1, columns(std.out)))
	return err
}

// explainFraming shows a framing. What is not YAML are comments of it.
func explainFraming(std stdio, name string) error {
	f, err := findFraming(name)
	if err != nil {
		return err
	}
	var b strings.Builder
	if f.Source() == "" {
		fmt.Fprintf(&b, "# %s: %s\n", f.Name(), f.Title())
		for l := range strings.SplitSeq(f.About(), "\n") {
			fmt.Fprintf(&b, "# %s\n", l)
		}
		b.WriteString("# It is built in as code: the language cannot express it.\n")
	} else {
		what := []string{"headers of up to " + wholeSize(int64(f.MaxHeader())), "payloads of up to " + wholeSize(f.MaxPayload())}
		if file, _, _ := strings.Cut(name, ","); !slices.Contains(framing.Names(), file) {
			what[0] = output.Visible(file) + ": right; " + what[0]
		}
		for _, m := range f.Magics() {
			what = append(what, fmt.Sprintf("recognised by % x", m))
		}
		fmt.Fprintf(&b, "# %s\n%s", strings.Join(what, ", "), visible(f.Source()))
	}
	_, err = std.out.WriteString(b.String())
	return err
}

// wholeSize returns a number of bytes without rounding it.
func wholeSize(n int64) string {
	units := []string{"", "KiB", "MiB", "GiB", "TiB"}
	if n == 0 || n%1024 != 0 {
		return output.Count(n, "byte", "bytes")
	}
	for n%1024 == 0 && len(units) > 1 {
		n, units = n/1024, units[1:]
	}
	return strconv.FormatInt(n, 10) + " " + units[0]
}

// maxSpecFile bounds the file of a declaration.
const maxSpecFile = 1 << 20

// findFraming finds a framing by what a user says: a name or a file, and options
// behind commas.
func findFraming(arg string) (*framing.Framing, error) {
	name, rest, _ := strings.Cut(arg, ",")
	var o framing.Options
	for part := range strings.SplitSeq(rest, ",") {
		if part == "" {
			continue
		}
		key, value, _ := strings.Cut(part, "=")
		switch key {
		case "order":
			if value != "big" && value != "little" {
				return nil, fmt.Errorf("--framing: order=%s: expected big or little", value)
			}
			o.Order = value
		case "max":
			var n size
			if err := n.Set(value); err != nil {
				return nil, fmt.Errorf("--framing: max=%s: %w", value, err)
			}
			o.Max = int64(n)
		case "magic":
			n, err := strconv.ParseUint(value, 0, 64)
			if err != nil {
				return nil, fmt.Errorf("--framing: magic=%s: expected a number such as 0xCAFEBABE", value)
			}
			o.Magic, o.HasMagic = n, true
		default:
			return nil, fmt.Errorf("--framing: found %q, expected order=, max= or magic=", part)
		}
	}
	f, err := framing.Builtin(name, o)
	if !errors.Is(err, framing.ErrUnknown) {
		return f, err
	}
	file, openErr := os.Open(name)
	if openErr != nil {
		if errors.Is(openErr, os.ErrNotExist) && !strings.ContainsAny(name, "./\\") {
			return nil, hinted{fmt.Errorf("there is no framing %q, nor a file of that name", name), didYouMean(name, framing.Names()) + "there are: " + strings.Join(framing.Names(), ", ")}
		}
		return nil, hinted{openErr, "framescope framings lists those that are built in"}
	}
	defer file.Close()
	src, err := io.ReadAll(io.LimitReader(file, maxSpecFile))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	f, err = framing.Parse(src, o)
	if err != nil {
		return nil, explainSpec(name, src, err)
	}
	if o.HasMagic && len(f.Magics()) == 0 {
		return nil, fmt.Errorf("%s has no magic to choose", name)
	}
	return f, nil
}

// didYouMean returns a question about the one of names that name may stand for,
// and a space; or "".
func didYouMean(name string, names []string) string {
	if near := filter.Nearest(strings.ToLower(name), names); near != "" {
		return "did you mean " + near + "? "
	}
	return ""
}

// explainSpec shows the line of a declaration that is wrong.
func explainSpec(name string, src []byte, err error) error {
	var e *framing.SpecError
	if !errors.As(err, &e) {
		return fmt.Errorf("%s: %w", name, err)
	}
	err = fmt.Errorf("%s: %w", name, err)
	lines := strings.Split(string(src), "\n")
	if e.Line < 1 || e.Line > len(lines) {
		return err
	}
	line := strings.TrimRight(lines[e.Line-1], "\r")
	off := 0
	for range e.Column - 1 { // columns are characters
		_, n := utf8.DecodeRuneInString(line[off:])
		off += n
	}
	return markedError{err, err.Error() + "\n" + output.Mark(line, off, 1)}
}
