package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"framescope/capture/netns"
	"framescope/capture/ring"
	"framescope/cmd/framescope/internal/output"
)

// captureFlags are what `framescope capture` was told.
type captureFlags struct {
	printFlags
	interfaces         []string
	capture            string // the capture filter; filter is that of records
	file, netns        string
	rotateSize, buffer size
	rotateEvery        time.Duration
	keep               int
	snap               uint32
	promiscuous        bool
	span               time.Duration
	count              int64
	until, failOn      string
	print, quiet       bool
}

func newCapture(std stdio) *cobra.Command {
	f := captureFlags{printFlags: newPrintFlags(), buffer: ring.DefaultBuffer}
	c := &cobra.Command{
		Use:   "capture [FILTER]",
		Short: "Show WebSocket sessions while they happen, and write captures",
		Long: `Capture takes packets from network interfaces and shows the WebSocket sessions in
them as they happen, as decode does with files. FILTER is in the language of
tcpdump, pcap-filter(7), and is run by the kernel.

With -w the packets are written to a pcapng file, and are decoded only if that is
asked for: by --print, or by any flag that says what to print. The file is the raw
capture: nothing in it is redacted.

It goes on until Ctrl-C, --for, --count or --until ends it, and then prints the
summary. Packets that the kernel had to drop are always reported.

Capturing needs CAP_NET_RAW, and nothing else. Once the sockets are open, all
rights are given up.

Exit status: 0 done; 1 no record matched --until, or one matched --fail-on; 2 wrong
usage, or something that could not be captured or written; 3 not permitted.`,
		Example: `  framescope capture -i lo tcp port 8765
  framescope capture -i eth0 -w session.pcapng --for 30s port 443
  framescope capture -i any --until 'finding.severity == error' --for 5m
  framescope capture -i lo --fail-on 'websocket.bytes > 1000000' --for 30s
  sudo framescope capture --netns web -o jsonl --select finding
  framescope capture -i lo -w - | wireshark -k -i -`,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			asks := pflag.NewFlagSet("", pflag.ContinueOnError) // for something to be decoded
			new(printFlags).declare(asks)
			asks.String("until", "", "")
			asks.String("fail-on", "", "")
			cmd.Flags().Visit(func(fl *pflag.Flag) { f.print = f.print || asks.Lookup(fl.Name) != nil })
			if err := checkNetns(cmd); err != nil {
				return err
			}
			if len(args) > 0 && f.capture != "" {
				return errors.New("the capture filter is given twice: behind -f, and as arguments")
			}
			if len(args) > 0 {
				f.capture = strings.Join(args, " ")
			}
			return captureLive(std, &f)
		},
	}
	c.Flags().SortFlags = false
	fl := c.Flags()
	fl.StringSliceVarP(&f.interfaces, "interface", "i", []string{ring.Any}, "`interface` to capture on, or several, or any")
	fl.StringVarP(&f.capture, "capture-filter", "f", "", "capture only packets that match the `expression`, such as 'tcp port 8765'")
	fl.StringVarP(&f.file, "write", "w", "", "write the packets to a pcapng `file`; - is standard output")
	fl.BoolVar(&f.print, "print", false, "decode and print while writing a file")
	fl.Var(&f.rotateSize, "rotate-size", "go on to a new file when one has this size")
	fl.DurationVar(&f.rotateEvery, "rotate-every", 0, "go on to a new file after this `time`, such as 1h")
	fl.IntVar(&f.keep, "keep", 0, "keep only the latest `n` files of this run")
	fl.StringVar(&f.netns, "netns", "", "network namespace to capture in: a `name`, a process id, or a path")
	fl.BoolVarP(&f.promiscuous, "promiscuous", "p", false, "capture what is for other hosts, too")
	fl.Uint32VarP(&f.snap, "snaplen", "s", ring.DefaultSnapLen, "capture at most this many `bytes` of a packet")
	fl.Var(&f.buffer, "buffer", "memory for packets that have not been taken yet, for each interface")
	fl.DurationVar(&f.span, "for", 0, "end after this `time`, such as 30s")
	fl.Int64VarP(&f.count, "count", "c", 0, "end after `n` packets")
	fl.StringVar(&f.until, "until", "", "end when a record matches the `expression`; exit 1 if none does")
	fl.StringVar(&f.failOn, "fail-on", "", "end with exit status 1 when a record matches the `expression`")
	f.register(c)
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "say nothing of how it goes")
	_ = c.RegisterFlagCompletionFunc("interface", completeList(func() []string {
		names := []string{ring.Any}
		all, _ := net.Interfaces()
		for _, i := range all {
			if output.Visible(i.Name) == i.Name {
				names = append(names, i.Name)
			}
		}
		return names
	}))
	_ = c.RegisterFlagCompletionFunc("netns", func(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
		all, _ := os.ReadDir(netns.Dir)
		for _, e := range all {
			names = append(names, e.Name())
		}
		return names, cobra.ShellCompDirectiveDefault
	})
	for _, name := range []string{"capture-filter", "rotate-size", "rotate-every", "keep", "snaplen", "buffer", "for", "count", "until", "fail-on"} {
		_ = c.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	return c
}

// checkNetns refuses an empty --netns: a variable of a script that is not set.
func checkNetns(c *cobra.Command) error {
	if fl := c.Flags().Lookup("netns"); fl != nil && fl.Changed && fl.Value.String() == "" {
		return errors.New("--netns is empty: expected a name, a process id, or a path")
	}
	return nil
}

// check refuses what does not make sense together.
func (f *captureFlags) check(std stdio) error {
	slices.Sort(f.interfaces)
	f.interfaces = slices.Compact(f.interfaces)
	switch {
	case f.until != "" && f.failOn != "":
		return errors.New("--until and --fail-on exclude each other")
	case f.span < 0:
		return fmt.Errorf("--for %v: expected more than nothing", f.span)
	case f.count < 0:
		return fmt.Errorf("--count %d: expected 1 or more", f.count)
	case f.snap == 0:
		return errors.New("--snaplen 0: expected 1 to 262144 bytes")
	case f.buffer < ring.MinBuffer || f.buffer > ring.MaxBuffer:
		return fmt.Errorf("--buffer %v: expected 2M to 1G", &f.buffer)
	case f.rotates() && f.file == "-":
		return errors.New("standard output cannot be rotated: --rotate-size and --rotate-every need -w FILE")
	case f.rotates() && f.file == "":
		return errors.New("--rotate-size and --rotate-every need -w FILE")
	case f.rotateSize > 0 && f.rotateSize < minRotate:
		return fmt.Errorf("--rotate-size %v: expected 64K or more", &f.rotateSize)
	case f.rotateEvery < 0 || f.rotateEvery > 0 && f.rotateEvery < time.Second:
		return fmt.Errorf("--rotate-every %v: expected 1s or more", f.rotateEvery)
	case f.keep < 0:
		return fmt.Errorf("--keep %d: expected 1 or more", f.keep)
	case f.keep > 0 && !f.rotates():
		return errors.New("--keep needs --rotate-size or --rotate-every")
	case f.file == "-" && terminal(std.out):
		return hinted{errors.New("-w - writes packets to standard output, which is a terminal"), "try: framescope capture -w - | wireshark -k -i -"}
	case f.file == "-" && f.print:
		return hinted{errors.New("-w - writes packets to standard output: records cannot go there, too"), "write to a file, or leave out --print, -o, --select, --payload, --filter and --until"}
	}
	return nil
}

// rotates reports whether more than one file is written.
func (f *captureFlags) rotates() bool { return f.rotateSize > 0 || f.rotateEvery > 0 }

// minRotate is the smallest size of a file that makes sense.
const minRotate = 64 << 10

// captureLive runs `framescope capture`.
func captureLive(std stdio, f *captureFlags) error {
	if err := f.check(std); err != nil {
		return err
	}
	cfg, opts, err := f.plan(std)
	if err != nil {
		return err
	}
	opts.Live = true
	l := &live{std: std, f: f, cfg: cfg, opts: opts}
	if err := l.watch(); err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	return l.run(ctx)
}
