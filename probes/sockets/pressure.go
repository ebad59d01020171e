package sockets

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"time"

	"framescope/capture/netns"
	"framescope/decode/finding"
	"framescope/mptcpctl"
	"framescope/probes/sockdiag"
)

// A route is what needs a port of its own.
type route struct {
	src, dst netip.Addr
	port     uint16
}

type usage struct{ all, timeWait int }

const maxRoutes = 1 << 16

// count notes what a connection takes of ports.
func (d *diagnosis) count(r *Row, lo, hi uint16) {
	if r.State == sockdiag.TimeWait {
		d.timeWait++
	}
	port := r.Src.Port()
	if port < lo || port > hi || d.listeners[port] != nil || r.State == sockdiag.CloseState {
		return
	}
	k := route{r.Src.Addr(), r.Dst.Addr(), r.Dst.Port()}
	u := d.used[k]
	if u == nil {
		if len(d.used) >= maxRoutes {
			return
		}
		u = new(usage)
		d.used[k] = u
	}
	u.all++
	if r.State == sockdiag.TimeWait {
		u.timeWait++
	}
}

// pressure looks at what is short for the whole namespace.
func (d *diagnosis) pressure() {
	lo, hi := d.l.localPorts()
	size := int(hi) - int(lo) + 1
	// The table has another order at every run.
	routes := slices.SortedFunc(maps.Keys(d.used), func(a, b route) int {
		return cmp.Or(-cmp.Compare(d.used[a].all, d.used[b].all), a.src.Compare(b.src), a.dst.Compare(b.dst), cmp.Compare(a.port, b.port))
	})
	for _, k := range routes {
		u := d.used[k]
		share := float64(u.all) / float64(size)
		to := netip.AddrPortFrom(k.dst.Unmap(), k.port)
		ev := fmt.Sprintf("%d of %d ports (%d to %d) are taken from %v to %v, %d of them in TIME_WAIT", u.all, size, lo, hi, k.src.Unmap(), to, u.timeWait)
		if share >= 0.8 {
			f := Finding{Info: info(EphemeralPorts), Count: u.all, Evidence: []string{ev}}
			if share >= 0.95 {
				f.Severity = finding.Error
			}
			d.found = append(d.found, f)
		}
		if float64(u.timeWait) >= 0.5*float64(size) {
			d.found = append(d.found, Finding{Info: info(TimeWaitPressure), Count: u.timeWait, Evidence: []string{ev}})
		}
	}
	if m := d.l.sysctl("net/ipv4/tcp_max_tw_buckets"); m > 0 && d.timeWait*10 >= m*8 {
		d.found = append(d.found, Finding{Info: info(TimeWaitPressure), Count: d.timeWait,
			Evidence: []string{fmt.Sprintf("%d connections in TIME_WAIT, net.ipv4.tcp_max_tw_buckets is %d", d.timeWait, m)}})
	}
	if m, n := d.l.sysctl("net/ipv4/tcp_max_orphans"), d.l.orphans(); m > 0 && n*2 >= m {
		d.found = append(d.found, Finding{Info: info(OrphanPressure), Count: n,
			Evidence: []string{fmt.Sprintf("%d orphans on the whole system, net.ipv4.tcp_max_orphans is %d", n, m)}})
	}
}

// sysctls reads the numbers of a sysctl of the namespace.
func (l *Lister) sysctls(name string) (all []int) {
	_ = netns.Do(l.ns, func() error {
		b, err := os.ReadFile("/proc/sys/" + name)
		for f := range bytes.FieldsSeq(b) {
			all = append(all, int(number(f)))
		}
		return err
	})
	return all
}

func (l *Lister) sysctl(name string) int {
	if v := l.sysctls(name); len(v) > 0 {
		return v[0]
	}
	return 0
}

// localPorts returns the ports that outgoing connections get.
func (l *Lister) localPorts() (lo, hi uint16) {
	if l.ports[1] == 0 {
		l.ports = [2]uint16{32768, 60999}
		if v := l.sysctls("net/ipv4/ip_local_port_range"); len(v) == 2 && v[1] >= v[0] && v[1] <= 65535 {
			l.ports = [2]uint16{uint16(v[0]), uint16(v[1])}
		}
	}
	return l.ports[0], l.ports[1]
}

func (l *Lister) finTimeout() time.Duration {
	if l.fin == 0 {
		l.fin = time.Minute
		if v := l.sysctl("net/ipv4/tcp_fin_timeout"); v > 0 {
			l.fin = time.Duration(v) * time.Second
		}
	}
	return l.fin
}

// losses are counters of the namespace, of what was dropped for want of room.
type losses struct{ listen, udp uint64 }

func (l *Lister) losses() (n losses) {
	// Without /proc nothing is known to be lost.
	all, _ := mptcpctl.ReadCounters(l.ns, func(_, name string) bool {
		return name == "ListenOverflows" || name == "ListenDrops" || name == "RcvbufErrors"
	})
	for _, c := range all {
		switch c.Group {
		case "TcpExt":
			n.listen += uint64(c.Value)
		case "Udp", "UdpLite", "Udp6", "UdpLite6":
			n.udp += uint64(c.Value)
		}
	}
	return n
}

// orphans returns how many connections no process holds.
func (l *Lister) orphans() int {
	f, err := openProc(l.ns, "sockstat")
	if err != nil {
		return 0
	}
	defer f.Close()
	b := make([]byte, 4096)
	n, _ := f.Read(b)
	_, rest, ok := bytes.Cut(b[:n], []byte(" orphan "))
	if !ok {
		return 0
	}
	return int(number(bytes.Fields(rest)[0]))
}
