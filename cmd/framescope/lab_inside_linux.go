package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"framescope/capture/capability"
	"framescope/mptcpctl"
	"framescope/probes/lab"
)

// bring brings up what the flags say.
func (f *labFlags) bring(ctx context.Context) (*lab.Lab, error) {
	l, err := f.build(ctx)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, os.ErrPermission):
		return nil, hinted{err, "try: sudo framescope lab ..."}
	case errors.Is(err, lab.ErrNoNetem):
		return nil, hinted{err, "without --delay it needs none"}
	}
	return nil, err
}

func (f *labFlags) build(ctx context.Context) (*lab.Lab, error) {
	if f.scenario != "" {
		s, err := findScenario(f.scenario)
		if err != nil {
			return nil, err
		}
		r, err := s.Start(ctx)
		if err != nil {
			return nil, err
		}
		return r.Lab, nil
	}
	c := lab.Two(f.links, uint64(f.rate))
	if f.routed {
		c = lab.Routed(f.links, uint64(f.rate))
	}
	for i := range f.links {
		c.Links[i].Delay = f.delay
	}
	if f.bare {
		zero, two := uint32(0), uint32(2)
		for i := range c.Hosts {
			c.Hosts[i].MPTCP.Limits = &mptcpctl.LimitsChange{AddAddrAccepted: &zero, Subflows: &two}
		}
		return lab.Up(ctx, c)
	}
	eight := uint32(mptcpctl.MaxLimit)
	for i := range c.Hosts {
		c.Hosts[i].MPTCP.Limits = &mptcpctl.LimitsChange{AddAddrAccepted: &eight, Subflows: &eight}
	}
	l, err := lab.Up(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := f.furnish(ctx, l); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// furnish gives the client an endpoint for each link but the first, and every
// host a peer.
func (f *labFlags) furnish(ctx context.Context, l *lab.Lab) error {
	client := l.Host("client")
	for _, i := range client.Interfaces() {
		if i.Link == 1 {
			continue
		}
		for _, a := range []string{i.Addr.Addr().String(), i.Addr6.Addr().String()} {
			// There is room for eight: what IPv4 leaves is for IPv6.
			if strings.Contains(a, ":") && f.links-1+i.Link-1 > mptcpctl.MaxEndpoints {
				continue
			}
			if err := client.Endpoint("endpoint add " + a + " dev " + i.Dev + " subflow"); err != nil {
				return err
			}
		}
	}
	for _, h := range l.Hosts() {
		if _, err := h.Serve(ctx, lab.ServeConfig{}); err != nil {
			return err
		}
	}
	return nil
}

// jsonLab is a lab as JSON has it.
type jsonLab struct {
	Schema   string     `json:"schema"`
	Type     string     `json:"type"`
	Scenario string     `json:"scenario,omitempty"`
	Port     int        `json:"port,omitempty"`
	Hosts    []jsonHost `json:"hosts"`
}

type jsonHost struct {
	Name string `json:"name"`
	// Netns is for --netns, Enter is a command line that enters.
	Netns      string          `json:"netns"`
	Enter      []string        `json:"enter"`
	Interfaces []jsonInterface `json:"interfaces"`
}

type jsonInterface struct {
	Link int    `json:"link"`
	Dev  string `json:"dev"`
	Addr string `json:"address"`
	Six  string `json:"address6"`
	Peer string `json:"peer"`
}

// up is `framescope lab up`, inside.
func (f *labFlags) up() error {
	ctx, stop := interruptible()
	defer stop()
	l, err := f.bring(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer l.Close()
	j := jsonLab{Schema: "1.0", Type: "lab", Scenario: f.scenario}
	if !f.bare {
		j.Port = lab.Port
	}
	for _, h := range l.Hosts() {
		tid := fmt.Sprint(h.TID())
		jh := jsonHost{Name: h.Name, Netns: tid, Enter: []string{"nsenter", "-t", tid, "-n"}}
		if ownUsers() {
			jh.Enter = []string{"nsenter", "-t", tid, "-U", "--preserve-credentials", "-n"}
		}
		for _, i := range h.Interfaces() {
			jh.Interfaces = append(jh.Interfaces, jsonInterface{i.Link, i.Dev, i.Addr.String(), i.Addr6.String(), i.PeerHost})
		}
		j.Hosts = append(j.Hosts, jh)
	}
	if f.format == "json" {
		err = f.json(j)
	} else {
		err = f.print(&j)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(f.std.err, "framescope: the lab is up; Ctrl-C ends it")
	<-ctx.Done()
	return nil
}

// ownUsers reports whether the process is in a user namespace that was made for
// it: what enters has to enter that, too.
func ownUsers() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	fields := strings.Fields(string(b))
	return err == nil && (len(fields) != 3 || fields[2] != "4294967295") || !capability.Effective(capability.SysAdmin)
}

func (f *labFlags) print(j *jsonLab) error {
	var b []byte
	if s := lab.FindScenario(j.Scenario); s != nil {
		b = fmt.Appendf(b, "%s: %s\n", s.Name, s.Shows)
	}
	for _, h := range j.Hosts {
		b = fmt.Appendf(b, "%s\n", h.Name)
		for _, i := range h.Interfaces {
			b = fmt.Appendf(b, "  %-4s  %-14s  %-12s  to %s\n", i.Dev, i.Addr, i.Six, i.Peer)
		}
		b = fmt.Appendf(b, "  %s\n", strings.Join(h.Enter, " "))
	}
	if j.Port != 0 {
		b = fmt.Appendf(b, "peers echo on port %d\n", j.Port)
	}
	_, err := f.std.out.Write(b)
	return err
}

// ownProc makes /proc that of the own namespace of processes, for programs that
// look themselves up there. In a container that may be forbidden; then /proc stays
// as it is.
func ownProc() {
	if unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") == nil {
		_ = unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	}
}

// run is `framescope lab run`, inside.
func (f *labFlags) run(args []string) error {
	ownProc()
	// A signal ends the building of a lab; later ones are the command's.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	early := make(chan os.Signal, 1)
	signal.Notify(early, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := make(chan int, 1)
	go func() {
		if s, ok := <-early; ok {
			n, _ := s.(syscall.Signal)
			code <- 128 + int(n)
			cancel()
		}
	}()
	l, err := f.bring(ctx)
	signal.Stop(early)
	close(early)
	switch {
	case ctx.Err() != nil && err != nil:
		return status(<-code)
	case err != nil:
		return err
	}
	defer l.Close()
	h := l.Host(f.host)
	if h == nil {
		var names []string
		for _, h := range l.Hosts() {
			names = append(names, h.Name)
		}
		return fmt.Errorf("--host %q: expected %s", f.host, strings.Join(names, ", "))
	}
	c := h.Command(context.Background(), args[0], args[1:]...)
	c.Stdin, c.Stdout, c.Stderr = f.std.in, f.std.out, f.std.err
	c.Env = append(os.Environ(), l.Env(h.Name)...)
	if f.scenario != "" {
		c.Env = append(c.Env, "FRAMESCOPE_LAB_SCENARIO="+f.scenario)
	}
	if err := c.Start(); err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
			complain(f.std.err, fmt.Errorf("lab run: %w", err))
			return status(exitUsage)
		}
		return fmt.Errorf("lab run: %w", err)
	}
	return ended(c.Cmd)
}
