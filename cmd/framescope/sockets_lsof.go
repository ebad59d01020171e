package main

import (
	"strconv"

	"framescope/cmd/framescope/internal/output"
	"framescope/probes/sockdiag"
	"framescope/probes/sockets"
)

// lsofRows is the view of lsof(8): a row for each process that has a socket.
type lsofRows struct {
	f *socketsFlags
	a *output.Aligner
}

func newLsofRows(f *socketsFlags) *lsofRows {
	p := &lsofRows{f: f}
	p.a = output.NewAligner(f.out, []string{"COMMAND", "PID", "USER", "FD", "TYPE", "DEVICE", "SIZE/OFF", "NODE", "NAME"},
		[]bool{false, true, true, true, false, true, true, false, false})
	p.a.Gap = " "
	return p
}

func (p *lsofRows) end(dst []byte, r *sockets.Row, peer bool) []byte {
	a := r.Src
	if peer {
		a = r.Dst
	}
	ip := a.Addr()
	switch {
	case ip.IsUnspecified():
		dst = append(dst, '*')
	case ip.Is4In6():
		dst = appendIPv4(dst, ip.Unmap().As4())
	case ip.Is4():
		dst = appendIPv4(dst, ip.As4())
	default:
		dst = append(appendIPv6(append(dst, '['), ip), ']')
	}
	dst = append(dst, ':')
	if a.Port() == 0 {
		return append(dst, '*')
	}
	if !p.f.numeric {
		if name := sockets.Service(r.Kind, a.Port()); name != "" {
			return append(dst, output.Visible(name)...)
		}
	}
	return strconv.AppendUint(dst, uint64(a.Port()), 10)
}

func (p *lsofRows) print(r *sockets.Row) error {
	for _, o := range r.Owners {
		if err := p.owner(r, o); err != nil {
			return err
		}
	}
	return nil
}

func (p *lsofRows) owner(r *sockets.Row, o sockets.Owner) error {
	a := p.a
	cell := func(s string) { a.Buf = append(a.Buf, s...); a.Next() }
	name := output.Visible(o.Name)
	if len(o.Name) > 9 {
		name = output.Visible(o.Name[:9])
	}
	cell(name)
	cell(strconv.Itoa(o.PID))
	user := "-" // it is gone
	if uid, ok := sockets.ProcessUser(o.PID); ok {
		user = output.Visible(sockets.User(uid))
	}
	cell(user)
	cell(strconv.Itoa(o.FD) + "u") // sockets are open for both
	switch {
	case r.Kind == sockets.Unix:
		cell("unix")
		cell("-") // lsof has an address of the kernel here
		cell("0t0")
		cell(strconv.FormatUint(uint64(r.Inode), 10))
	case r.Kind == sockets.Packet:
		cell("pack")
		cell(strconv.FormatUint(uint64(r.Inode), 10))
		cell("0t0")
		cell("ALL")
	case r.Kind == sockets.Netlink:
		cell("netlink")
		cell("-")
		cell("0t0")
		cell(strconv.FormatUint(uint64(r.Inode), 10))
	default:
		cell(map[bool]string{true: "IPv6", false: "IPv4"}[r.Family == sockdiag.IPv6])
		cell(strconv.FormatUint(uint64(r.Inode), 10))
		cell("0t0")
		cell(map[sockets.Kind]string{sockets.TCP: "TCP", sockets.MPTCP: "MPTCP", sockets.UDP: "UDP", sockets.UDPLite: "UDPLITE", sockets.Raw: ipProtocol(r.Protocol)}[r.Kind])
	}
	switch r.Kind {
	case sockets.Unix:
		a.Buf = appendUnixName(a.Buf, r.Name)
		a.Buf = append(append(a.Buf, " type="...), map[sockdiag.SocketType]string{sockdiag.Stream: "STREAM", sockdiag.Dgram: "DGRAM", sockdiag.SeqPacket: "SEQPACKET"}[r.Type]...)
		switch r.State {
		case sockdiag.Listen:
			a.Buf = append(a.Buf, " (LISTEN)"...)
		case sockdiag.Established:
			a.Buf = append(a.Buf, " (CONNECTED)"...)
		default:
			a.Buf = append(a.Buf, " (UNCONNECTED)"...)
		}
	case sockets.Packet, sockets.Netlink:
		a.Buf = appendLocal(a.Buf, r)
	default:
		a.Buf = p.end(a.Buf, r, false)
		if r.Dst.Port() != 0 {
			a.Buf = p.end(append(a.Buf, "->"...), r, true)
		}
		if r.Kind == sockets.TCP || r.Kind == sockets.MPTCP {
			a.Buf = append(append(append(a.Buf, " ("...), lsofState(r)...), ')')
		}
	}
	a.Next()
	return a.Row()
}

func lsofState(r *sockets.Row) string {
	switch r.State {
	case sockdiag.CloseState:
		return "CLOSED"
	case sockdiag.FinWait1:
		return "FIN_WAIT1"
	}
	return r.State.String()
}

func (p *lsofRows) close() error {
	if p.a.Empty() {
		return nil // lsof says nothing then
	}
	return p.a.Close()
}
