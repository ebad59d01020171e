package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"framescope/capture/capability"
	"framescope/capture/pcapfile"
	"framescope/capture/ring"
	"framescope/probes/peer"
)

// recorded is what demo shows where it cannot capture: the same sessions.
//
//go:embed demo.pcapng
var recorded []byte

func newDemo(std stdio) *cobra.Command {
	f := captureFlags{printFlags: newPrintFlags(), buffer: ring.DefaultBuffer, snap: ring.DefaultSnapLen, interfaces: []string{"lo"}}
	inside := false
	c := &cobra.Command{
		Use:   "demo",
		Short: "Capture and decode sessions of a server and a client of our own",
		Long: `Demo starts a WebSocket server and a client on loopback, over MPTCP where the
kernel has it, captures what they say to each other, and decodes it meanwhile. It
takes a second or two.

With CAP_NET_RAW that happens right here, otherwise in a user and network namespace
of its own; where neither is allowed, a recording of the same sessions is decoded.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if inside {
				if err := loopbackUp(); err != nil {
					return hinted{err, "see: framescope doctor"}
				}
			}
			lo, err := net.InterfaceByName("lo")
			up := err == nil && lo.Flags&net.FlagUp != 0
			if inside || capability.Effective(capability.NetRaw) && up {
				return demoLive(std, &f)
			}
			if !f.quiet {
				fmt.Fprintf(std.err, "framescope: in a user and network namespace of its own\n")
			}
			err = demoInside(std)
			if !denied(err) {
				return err
			}
			fmt.Fprintf(std.err, "framescope: nothing can be captured here: this is a recording; framescope doctor says what is missing\n")
			return demoRecorded(std, &f)
		},
	}
	c.Flags().SortFlags = false
	f.register(c)
	c.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "say nothing of how it goes")
	c.Flags().BoolVar(&inside, insideFlag, false, "this process has a namespace of its own")
	_ = c.Flags().MarkHidden(insideFlag)
	return c
}

// insideFlag is for demo itself.
const insideFlag = "inside-namespace"

// demoInside runs demo in a namespace of its own.
func demoInside(std stdio) error {
	args := slices.Clone(os.Args[1:])
	c := inNamespace(slices.Insert(args, slices.Index(args, "demo")+1, "--"+insideFlag)...)
	c.Stdin, c.Stdout, c.Stderr = std.in, std.out, std.err
	if err := c.Run(); err != nil {
		if denied(err) || c.ProcessState == nil {
			return err
		}
		return status(c.ProcessState.ExitCode())
	}
	return nil
}

// demoLive runs the sessions and captures them.
func demoLive(std stdio, f *captureFlags) error {
	cfg, opts, err := f.plan(std)
	if err != nil {
		return err
	}
	opts.Live = true
	asked, stop := interruptible()
	defer stop()
	ctx, end := context.WithCancel(asked)
	defer end()
	l := &live{std: std, f: f, cfg: cfg, opts: opts}
	var captured chan error // of the capture, once it has begun
	d := peer.Demo{MPTCP: true}
	d.Listening = func(addr netip.AddrPort, mptcp bool) error {
		f.capture = fmt.Sprintf("tcp port %d", addr.Port())
		if !f.quiet {
			how := "TCP: there is no MPTCP here"
			if mptcp {
				how = "MPTCP"
			}
			fmt.Fprintf(std.err, "framescope: a WebSocket server and a client talk on %v, over %s\n", addr, how)
		}
		ready := make(chan struct{})
		l.ready = func() { close(ready) }
		captured = make(chan error, 1)
		go func() { captured <- l.run(ctx) }()
		select {
		case <-ready:
			return nil
		case err := <-captured:
			captured <- err
			return err
		}
	}
	err = d.Run(ctx)
	if asked.Err() != nil {
		err = status(130)
	}
	end()
	if captured != nil {
		if e := <-captured; e != nil {
			return e
		}
	}
	return err
}

// demoRecorded decodes the recording.
func demoRecorded(std stdio, f *captureFlags) error {
	const name = "demo"
	r, err := pcapfile.NewReader(bytes.NewReader(recorded), name, &pcapfile.Config{BatchBytes: batchBytes})
	if err != nil {
		return err
	}
	cfg, opts, err := f.plan(std)
	if err != nil {
		return err
	}
	out, err := begin(std, &f.printFlags, &cfg, opts)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	d := decoding{std: std, cfg: cfg, out: out, ctx: ctx}
	if err := d.decode(name, r); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}
