package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"framescope/cmd/framescope/internal/output"
)

// A diagnosis is what doctor found out about one thing that framescope can do.
type diagnosis struct {
	Name string `json:"name"`
	// State is "yes", "limited" or "no".
	State string `json:"state"`
	// Found is what was tried, or read, and what came of it.
	Found string `json:"found"`
	// Fix are ways to mend it, the best first.
	Fix []string `json:"fix,omitempty"`
}

func newDoctor(std stdio) *cobra.Command {
	format, require, width := "table", []string(nil), 0
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine allows and lacks",
		Long: `Doctor tries what framescope needs of the system, and says what works, what does
not, and how to mend it. Nothing is changed.

  decode     read captures
  capture    take packets from network interfaces
  namespace  make a network namespace of its own, as demo does without rights
  netns      enter the network namespaces of others (--netns)
  mptcp      open Multipath TCP sockets
  endpoints  configure MPTCP endpoints and limits
  owners     see which processes of other users hold a socket

Exit status: 0 done; 1 something that --require names does not work.`,
		Example: `  framescope doctor
  framescope doctor --require capture,mptcp && run-tests`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := checkWidth(width); err != nil {
				return err
			}
			all := diagnose()
			for _, name := range require {
				if !slices.ContainsFunc(all, func(d diagnosis) bool { return d.Name == name }) {
					return hinted{fmt.Errorf("--require: there is no %q", name), "see: framescope doctor --help"}
				}
			}
			var err error
			switch format {
			case "json":
				e := newEncoder(std.out)
				e.SetIndent("", "  ")
				err = e.Encode(struct {
					System string      `json:"system"`
					Checks []diagnosis `json:"checks"`
				}{system(), all})
			case "table":
				if width == 0 {
					width = columns(std.out)
				}
				_, err = std.out.Write(prescription(all, width))
			default:
				return fmt.Errorf("--output %q: expected table or json", format)
			}
			if err != nil {
				return fmt.Errorf("standard output: %w", err)
			}
			for _, d := range all {
				if d.State == "no" && slices.Contains(require, d.Name) {
					return failure(d.Name + " does not work here: " + d.Found)
				}
			}
			return nil
		},
	}
	c.Flags().SortFlags = false
	c.Flags().StringVarP(&format, "output", "o", format, "`format`: table or json")
	c.Flags().StringSliceVar(&require, "require", nil, "`names` of what has to work, separated by commas")
	c.Flags().IntVar(&width, "width", 0, "`columns` of the table; 0: those of the terminal, or 80")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("require", completeList(func() []string {
		return []string{"decode", "capture", "namespace", "netns", "mptcp", "endpoints", "owners"}
	}))
	return c
}

// doctorNamespace is the command that tries a namespace.
const doctorNamespace = "doctor-namespace"

// prescription is what a person reads of it: what works, then what to do about
// the rest.
func prescription(all []diagnosis, width int) []byte {
	var not []string
	rows := make([][]string, 0, len(all))
	for _, d := range all {
		if d.State == "no" {
			not = append(not, d.Name)
		}
		rows = append(rows, []string{d.Name, d.State, d.Found})
	}
	verdict := "everything works here"
	if len(not) > 0 {
		verdict = "does not work here: " + strings.Join(not, ", ")
	}
	out := fmt.Appendf(nil, "%s\n%s\n\n", verdict, system())
	out = append(out, output.Short([]string{"", "works", "found"}, rows, 2, width)...)
	for _, d := range all {
		if len(d.Fix) == 0 {
			continue
		}
		out = fmt.Appendf(out, "\n%s: %s\n", d.Name, output.Visible(d.Found))
		for _, f := range d.Fix {
			out = fmt.Appendf(out, "  %s\n", output.Visible(f))
		}
	}
	return out
}

// system names the machine.
func system() string {
	return fmt.Sprintf("framescope %s on %s", thisBuild().Version, release(runtime.GOOS+" "+runtime.GOARCH))
}
