package main

import (
	"strconv"

	"framescope/cmd/framescope/internal/output"
	"framescope/probes/sockdiag"
	"framescope/probes/sockets"
)

// ownRows is the table of framescope.
type ownRows struct {
	f       *socketsFlags
	a       *output.Aligner
	columns []socketColumn
	info    sockdiag.TCPInfo
	has     bool
	depth   int
}

// A socketColumn is a column of the table.
type socketColumn struct {
	head  string
	right bool
	put   func(dst []byte, r *sockets.Row) []byte
}

func newOwnRows(f *socketsFlags) *ownRows {
	p := &ownRows{f: f}
	wide := f.format == "wide" || f.extended
	add := func(head string, right bool, put func([]byte, *sockets.Row) []byte) {
		p.columns = append(p.columns, socketColumn{head, right, put})
	}
	if f.netns == "all" {
		add("netns", false, func(b []byte, r *sockets.Row) []byte { return append(b, output.Visible(r.Netns)...) })
	}
	add("proto", false, func(b []byte, r *sockets.Row) []byte {
		if p.depth > 0 {
			return append(b, "  +tcp"...)
		}
		return append(b, r.Kind.String()...)
	})
	add("state", false, func(b []byte, r *sockets.Row) []byte { return append(b, stateName(r)...) })
	add("recv-q", true, func(b []byte, r *sockets.Row) []byte { return strconv.AppendUint(b, uint64(r.RQueue), 10) })
	add("send-q", true, func(b []byte, r *sockets.Row) []byte { return strconv.AppendUint(b, uint64(r.WQueue), 10) })
	add("local", false, appendLocal)
	add("peer", false, appendPeer)
	if wide {
		add("user", false, func(b []byte, r *sockets.Row) []byte {
			if !r.HasUID {
				return append(b, '-')
			}
			return append(b, output.Visible(sockets.User(r.UID))...)
		})
		add("inode", true, func(b []byte, r *sockets.Row) []byte {
			if r.Inode == 0 {
				return append(b, '-')
			}
			return strconv.AppendUint(b, uint64(r.Inode), 10)
		})
		add("timer", false, appendTimer)
		add("age", true, func(b []byte, r *sockets.Row) []byte {
			age, ok := r.Age()
			if !ok {
				return append(b, '-')
			}
			if age.AtLeast {
				b = append(b, '>')
			}
			return appendAge(b, age.For)
		})
		add("drops", true, func(b []byte, r *sockets.Row) []byte {
			m, ok := r.MemInfo()
			if !ok {
				return append(b, '-')
			}
			return strconv.AppendUint(b, uint64(m.Drops), 10)
		})
	}
	if f.info {
		p.measured(add)
	}
	if wide {
		add("service", false, func(b []byte, r *sockets.Row) []byte {
			id, ok := r.CgroupID()
			if name := f.cgroups.Name(id); ok && name != "" {
				return append(b, output.Visible(name)...)
			}
			return append(b, '-')
		})
		add("other end", false, func(b []byte, r *sockets.Row) []byte {
			if r.Other == nil {
				return append(b, '-')
			}
			if len(r.Other.Owners) > 0 {
				return appendOwners(b, r.Other)
			}
			return append(append(b, "here, "...), stateName(r.Other)...)
		})
	}
	if f.wantsOwners() {
		add("process", false, func(b []byte, r *sockets.Row) []byte {
			if len(r.Owners) == 0 && r.State == sockdiag.Established && r.Full && r.Inode == 0 {
				return append(b, "(not accepted)"...)
			}
			return appendOwners(b, r)
		})
	}
	heads, right := make([]string, len(p.columns)), make([]bool, len(p.columns))
	for i, c := range p.columns {
		heads[i], right[i] = c.head, c.right
	}
	p.a = output.NewAligner(f.out, heads, right)
	p.a.Bare = f.noHeader
	return p
}

// measured adds the columns of what TCP measured.
func (p *ownRows) measured(add func(string, bool, func([]byte, *sockets.Row) []byte)) {
	put := func(head string, value func(b []byte, t *sockdiag.TCPInfo) []byte) {
		add(head, true, func(b []byte, _ *sockets.Row) []byte {
			if !p.has {
				return append(b, '-')
			}
			return value(b, &p.info)
		})
	}
	put("rtt ms", func(b []byte, t *sockdiag.TCPInfo) []byte {
		return strconv.AppendFloat(b, float64(t.RTT.Microseconds())/1000, 'f', 2, 64)
	})
	put("cwnd", func(b []byte, t *sockdiag.TCPInfo) []byte { return strconv.AppendUint(b, uint64(t.SndCwnd), 10) })
	put("mss", func(b []byte, t *sockdiag.TCPInfo) []byte { return strconv.AppendUint(b, uint64(t.SndMSS), 10) })
	put("retrans", func(b []byte, t *sockdiag.TCPInfo) []byte { return strconv.AppendUint(b, uint64(t.TotalRetrans), 10) })
	put("sent", func(b []byte, t *sockdiag.TCPInfo) []byte { return strconv.AppendUint(b, t.BytesSent, 10) })
	put("received", func(b []byte, t *sockdiag.TCPInfo) []byte { return strconv.AppendUint(b, t.BytesReceived, 10) })
	put("window", func(b []byte, t *sockdiag.TCPInfo) []byte { return strconv.AppendUint(b, uint64(t.SndWnd), 10) })
	add("cc", false, func(b []byte, r *sockets.Row) []byte {
		if r.Inet() == nil || r.Inet().Congestion() == "" {
			return append(b, '-')
		}
		return append(b, r.Inet().Congestion()...)
	})
}

func (p *ownRows) print(r *sockets.Row) error {
	if p.f.info {
		p.has = tcpInfo(r, &p.info)
	}
	for i := range p.columns {
		p.a.Buf = p.columns[i].put(p.a.Buf, r)
		p.a.Next()
	}
	if err := p.a.Row(); err != nil {
		return err
	}
	p.depth++
	defer func() { p.depth-- }()
	for _, s := range r.Subflows {
		if err := p.print(s); err != nil {
			return err
		}
	}
	return nil
}

func (p *ownRows) close() error { return p.a.Close() }
