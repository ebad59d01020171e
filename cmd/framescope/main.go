// Framescope decodes WebSocket sessions out of packet captures.
//
// README.md shows what it prints; docs/output.md lists the records.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"framescope/cmd/framescope/internal/output"
)

// Exit statuses, the same for every command.
const (
	exitDone    = 0
	exitFailed  = 1 // a check failed
	exitUsage   = 2 // wrong usage, or input that could not be read to its end
	exitRefused = 3 // not permitted
)

func main() {
	os.Exit(run(os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}))
}

// stdio is where a command reads and writes. Data goes to out, words to err.
type stdio struct {
	in       *os.File
	out, err *os.File
}

// A hinted error says what to type next.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// A failure is the error of a check that failed.
type failure string

func (f failure) Error() string { return string(f) }

// A status is an error that has been reported already, or needs no words.
type status int

func (s status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// run runs one command line and returns its exit status.
func run(args []string, std stdio) int {
	root := newRoot(std)
	root.SetArgs(args)
	err := root.Execute()
	if err == nil {
		return exitDone
	}
	var st status
	if errors.As(err, &st) {
		return int(st)
	}
	complain(std.err, err)
	switch {
	case errors.Is(err, os.ErrPermission):
		return exitRefused
	case errors.As(err, new(failure)):
		return exitFailed
	}
	return exitUsage
}

// complain writes an error as people read it.
func complain(w io.Writer, err error) {
	text := err.Error()
	var path *os.PathError
	if errors.As(err, &path) && path.Path == os.Stdout.Name() {
		text = "standard output: " + path.Err.Error()
	}
	// A name is no reason for another line.
	for _, a := range os.Args[1:] {
		if _, value, ok := strings.Cut(a, "="); ok && strings.HasPrefix(a, "-") {
			a = value
		}
		if strings.Contains(a, "\n") {
			text = strings.ReplaceAll(text, a, output.Visible(a))
		}
	}
	fmt.Fprintf(w, "framescope: %s\n", visible(text))
	var h hinted
	if errors.As(err, &h) {
		fmt.Fprintf(w, "  %s\n", visible(h.hint))
	}
}

// visible escapes what names of files and arguments must not do to a terminal.
func visible(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = output.Visible(l)
	}
	return strings.Join(lines, "\n")
}

func newRoot(std stdio) *cobra.Command {
	root := &cobra.Command{
		Use:   "framescope",
		Short: "Capture network traffic, decode the WebSocket sessions in it, say what is wrong with them",
		Long: `framescope captures packets, or reads captures, and shows the WebSocket sessions in
them: handshakes, frames, messages, how they ended, and what could not be decoded and
why.

Exit status: 0 done, 1 a check failed, 2 wrong usage or input that could not be
read to its end (after printing all that could), 3 not permitted, 130 stopped.`,
		Example: `  framescope decode session.pcapng
  framescope decode -o jsonl --select ws_message session.pcap.gz | jq .websocket.bytes
  framescope capture -i lo tcp port 8765
  framescope demo`,
		SuggestionsMinimumDistance: 2,
		SilenceErrors:              true,
		SilenceUsage:               true,
		Version:                    thisBuild().Version,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			err := fmt.Errorf("there is no command %q", args[0])
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				return hinted{err, "did you mean: framescope " + near[0]}
			}
			return hinted{err, "see: framescope --help"}
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.CompletionOptions.HiddenDefaultCmd = false
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return hinted{err, "see: " + cmd.CommandPath() + " --help"}
	})
	root.AddCommand(newDecode(std), newCapture(std), newDemo(std), newDoctor(std), newDoctorNamespace(), newFramings(std), newHexdump(std), newLab(std), newMPTCP(std), newServe(std), newSockets(std), newVersion(std))
	addBuildTime(root)
	return root
}
