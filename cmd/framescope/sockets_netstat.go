package main

import (
	"bufio"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"framescope/cmd/framescope/internal/output"
	"framescope/probes/sockdiag"
	"framescope/probes/sockets"
)

// netstatRows is the view of netstat(8) of net-tools.
type netstatRows struct {
	f        *socketsFlags
	w        *bufio.Writer
	inet     bool // its heading has been printed
	unix     bool
	programs map[int]string
}

func newNetstatRows(f *socketsFlags) *netstatRows {
	return &netstatRows{f: f, w: bufio.NewWriterSize(f.out, 64<<10), programs: map[int]string{}}
}

func (p *netstatRows) which() string {
	switch {
	case p.f.all:
		return "servers and established"
	case p.f.listening:
		return "only servers"
	}
	return "w/o servers"
}

func (p *netstatRows) head(unix bool) {
	if unix && !p.unix {
		p.unix = true
		fmt.Fprintf(p.w, "Active UNIX domain sockets (%s)\n", p.which())
		p.w.WriteString("Proto RefCnt Flags       Type       State         I-Node  ")
		if p.f.wantsOwners() {
			p.w.WriteString(" PID/Program name    ")
		}
		p.w.WriteString(" Path\n")
	}
	if !unix && !p.inet {
		p.inet = true
		fmt.Fprintf(p.w, "Active Internet connections (%s)\n", p.which())
		p.w.WriteString("Proto Recv-Q Send-Q Local Address           Foreign Address         State      ")
		if p.f.extended {
			p.w.WriteString(" User       Inode     ")
		}
		if p.f.wantsOwners() {
			p.w.WriteString(" PID/Program name    ")
		}
		p.w.WriteString("\n")
	}
}

// program is the owner as netstat says it: the first one, by the name that it was
// started under.
func (p *netstatRows) program(r *sockets.Row) string {
	if len(r.Owners) == 0 {
		return "-"
	}
	o := r.Owners[0]
	name, ok := p.programs[o.PID]
	if !ok {
		name = o.Name
		if c := sockets.Command(o.PID); c != "" {
			name = c[strings.LastIndexByte(c, '/')+1:]
		}
		p.programs[o.PID] = name
	}
	s := strconv.Itoa(o.PID) + "/" + output.Visible(name)
	if len(s) > 19 {
		s = s[:19]
	}
	return s
}

func (p *netstatRows) end(a netip.AddrPort) string {
	port := "*"
	if a.Port() != 0 {
		port = strconv.Itoa(int(a.Port()))
	}
	return a.Addr().Unmap().String() + ":" + port
}

func (p *netstatRows) service(r *sockets.Row, a netip.AddrPort) string {
	if !p.f.numeric && a.Port() != 0 {
		if name := sockets.Service(r.Kind, a.Port()); name != "" {
			return a.Addr().Unmap().String() + ":" + output.Visible(name)
		}
	}
	return p.end(a)
}

func (p *netstatRows) print(r *sockets.Row) error {
	if r.Kind == sockets.Unix {
		return p.printUnix(r)
	}
	if !r.Kind.Inet() || r.Kind == sockets.MPTCP {
		return nil
	}
	p.head(false)
	proto := r.Kind.String()
	if r.Kind == sockets.UDPLite {
		proto = "udpl"
	}
	if r.Family == sockdiag.IPv6 {
		proto += "6"
	}
	state := ""
	send := r.WQueue
	switch {
	case r.Kind == sockets.TCP:
		state = r.State.String()
		if r.State == sockdiag.Listen {
			send = 0 // the bound is not in /proc/net/tcp
		}
	case r.Kind == sockets.Raw:
		state = strconv.Itoa(int(r.State))
	case r.State == sockdiag.Established:
		state = "ESTABLISHED"
	}
	fmt.Fprintf(p.w, "%-5s %6d %6d %-23s %-23s %-11s", proto, r.RQueue, send, p.service(r, r.Src), p.service(r, r.Dst), state)
	if p.f.extended {
		user := strconv.FormatUint(uint64(r.UID), 10)
		if !p.f.numeric {
			user = output.Visible(sockets.User(r.UID))
		}
		fmt.Fprintf(p.w, " %-10s %-10d", user, r.Inode)
	}
	if p.f.wantsOwners() {
		fmt.Fprintf(p.w, " %-20s", p.program(r))
	}
	_, err := p.w.WriteString("\n")
	return err
}

func (p *netstatRows) printUnix(r *sockets.Row) error {
	p.head(true)
	kind := map[sockdiag.SocketType]string{
		sockdiag.Stream: "STREAM", sockdiag.Dgram: "DGRAM", sockdiag.RawType: "RAW", sockdiag.SeqPacket: "SEQPACKET",
	}[r.Type]
	flags, state := "[ ]", ""
	switch r.State {
	case sockdiag.Listen:
		flags, state = "[ ACC ]", "LISTENING"
	case sockdiag.Established:
		state = "CONNECTED"
	}
	refs := r.Refs
	if !r.FromProc {
		refs = 2 // sock_diag does not tell
		if r.State == sockdiag.Established {
			refs = 3
		}
	}
	fmt.Fprintf(p.w, "unix  %-6d %-11s %-10s %-13s %-8d", refs, flags, kind, state, r.Inode)
	if p.f.wantsOwners() {
		fmt.Fprintf(p.w, " %-20s", p.program(r))
	}
	p.w.WriteByte(' ')
	if r.Name != "" {
		p.w.Write(appendUnixName(nil, r.Name))
	}
	_, err := p.w.WriteString("\n")
	return err
}

func (p *netstatRows) close() error {
	if !p.unix || p.f.tcp || p.f.udp || p.f.raw {
		p.head(false)
	}
	if err := p.w.Flush(); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}
