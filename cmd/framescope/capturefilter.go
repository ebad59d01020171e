package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"framescope/capture/pcapfile"
	"framescope/capture/pcapfilter"
	"framescope/capture/ring"
	"framescope/decode/filter"
)

// filterConfig is what a capture filter needs to know of the world.
func filterConfig(link uint16, live pcapfilter.Live) pcapfilter.Config {
	services, _ := os.ReadFile("/etc/services")
	return pcapfilter.Config{Link: link, Live: live, Services: string(services), Host: lookup}
}

// lookup asks for the addresses of a host that a filter names.
func lookup(name string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
}

// kernelFilter compiles a capture filter for the sockets of a ring.
func kernelFilter(expr string) func(uint16, ring.Socket) ([]pcapfilter.Instruction, error) {
	return func(link uint16, s ring.Socket) ([]pcapfilter.Instruction, error) {
		live := pcapfilter.LiveRaw
		if s == ring.Cooked {
			live = pcapfilter.LiveCooked
		}
		p, err := pcapfilter.Compile(expr, filterConfig(link, live))
		if err != nil {
			return nil, explainFilter(err)
		}
		if p.Never() {
			return nil, hinted{errors.New("capture filter: no packet can match it"), "tcp[...] and udp[...] look at IPv4 only, as in tcpdump; for IPv6: ip6[6] == 6 and ip6[53] & 2 != 0"}
		}
		return p.Instructions(), nil
	}
}

// explainFilter says what was meant where a filter is one of another kind.
func explainFilter(err error) error {
	var e *pcapfilter.Error
	if errors.As(err, &e) {
		if _, other := filter.Compile(e.Expr); other == nil && e.Expr != "" {
			return hinted{marked("capture filter", err), "this is a filter of records: give it with -Y " + shellQuote(e.Expr) + "; a capture filter is: tcp port 8765"}
		}
	}
	return marked("capture filter", err)
}

// A fileFilter applies a capture filter to the packets of files. A nil one
// takes all.
type fileFilter struct {
	expr     string
	link     uint16 // of program
	program  *pcapfilter.Program
	programs map[uint16]*pcapfilter.Program
}

// newFileFilter returns nil for no expression. What is wrong with an
// expression, whatever the packets are, it says now.
func newFileFilter(expr string) (*fileFilter, error) {
	if expr == "" {
		return nil, nil
	}
	f := &fileFilter{expr: expr, programs: map[uint16]*pcapfilter.Program{}}
	const ethernet, sll2, radiotap, ppp = 1, 276, 127, 9
	err := f.compile(ethernet)
	for _, link := range []uint16{sll2, radiotap, ppp} {
		if err == nil || f.compile(link) == nil {
			return f, nil
		}
	}
	return nil, err
}

func (f *fileFilter) compile(link uint16) error {
	p := f.programs[link]
	if p == nil {
		var err error
		if p, err = pcapfilter.Compile(f.expr, filterConfig(link, pcapfilter.File)); err != nil {
			return explainFilter(err)
		}
		f.programs[link] = p
	}
	f.link, f.program = link, p
	return nil
}

// match reports whether a packet is to be decoded.
func (f *fileFilter) match(p *pcapfile.Packet) (bool, error) {
	if f == nil {
		return true, nil
	}
	if p.Link != f.link || f.program == nil {
		if err := f.compile(p.Link); err != nil {
			return false, err
		}
	}
	return f.program.Match(p.Data, p.Wire), nil
}
