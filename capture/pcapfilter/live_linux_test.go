package pcapfilter

import (
	"encoding/binary"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"framescope/capture/netns/netnstest"
)

// The kernel must take every program and come to the same verdict as this
// package's machine.
func TestKernel(t *testing.T) {
	netnstest.InVeth(t, func() { kernel(t) })
}

const frames = 400

func kernel(t *testing.T) {
	// Nothing but the test sends packets here, nor does anybody answer them.
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0); err != nil {
		t.Log(err) // what the kernel sends of itself has no number of ours
	}
	// A destination that is the interface's, among those of the frames.
	netnstest.Run(t, nil, "ip", "link", "set", "fs1", "address", "02:00:00:00:00:02")
	from, err := net.InterfaceByName("fs0")
	if err != nil {
		t.Fatal(err)
	}
	to, err := net.InterfaceByName("fs1")
	if err != nil {
		t.Fatal(err)
	}
	type listener struct {
		expr string
		fd   int
		live Live
		p    *Program
		got  map[uint32]bool
	}
	var all []*listener
	defer func() {
		for _, l := range all {
			unix.Close(l.fd)
		}
	}()
	listen := func(expr string, c Config) {
		p, err := Compile(expr, c)
		if err != nil {
			t.Errorf("%q: %v", expr, err)
			return
		}
		kind := unix.SOCK_RAW
		if c.Live == LiveCooked {
			kind = unix.SOCK_DGRAM
		}
		fd, err := unix.Socket(unix.AF_PACKET, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &listener{expr, fd, c.Live, p, make(map[uint32]bool)})
		var filter []unix.SockFilter
		for _, i := range p.Instructions() {
			filter = append(filter, unix.SockFilter{Code: i.Op, Jt: i.Jt, Jf: i.Jf, K: i.K})
		}
		prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
		if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
			t.Errorf("%q: the kernel refuses the program: %v\n%s", expr, err, p)
			return
		}
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20)
		addr := &unix.SockaddrLinklayer{Protocol: 0x0300, Ifindex: to.Index} // ETH_P_ALL
		if err := unix.Bind(fd, addr); err != nil {
			t.Error(err)
		}
	}
	for _, expr := range slices.Concat(liveExpressions, etherExpressions, []string{"", "ifindex " + itoa(to.Index)}) {
		listen(expr, Config{Link: 1, Live: LiveRaw})
	}
	for _, expr := range append(slices.Clone(liveExpressions), "", "ifindex "+itoa(to.Index)) {
		listen(expr, Config{Link: 276, Live: LiveCooked})
	}
	m := newMaker(31)
	for range 40 {
		if expr := closed(m.expression(2)); !refused(expr) {
			listen(expr, Config{Link: 1, Live: LiveRaw})
		}
	}
	if t.Failed() {
		return
	}

	// Frames end with their number.
	sent := make([][]byte, frames)
	out, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(out)
	for i := range sent {
		frame := m.ethernet(0)
		if m.one(4) {
			frame = frame[:max(min(22, len(frame)), len(frame)-m.IntN(len(frame)))]
		}
		sent[i] = binary.BigEndian.AppendUint32(frame, uint32(i))
		if err := unix.Sendto(out, sent[i], 0, &unix.SockaddrLinklayer{Ifindex: from.Index}); err != nil {
			t.Fatal(err)
		}
	}
	// All that was accepted is there when a socket without a filter has all.
	buf := make([]byte, 4096)
	drain := func(l *listener) {
		for {
			n, _, err := unix.Recvfrom(l.fd, buf, 0)
			if err != nil {
				return
			}
			if n >= 4 {
				l.got[binary.BigEndian.Uint32(buf[n-4:n])] = true
			}
		}
	}
	everything := all[slices.IndexFunc(all, func(l *listener) bool { return l.expr == "" })]
	for deadline := time.Now().Add(5 * time.Second); len(everything.got) < frames; time.Sleep(5 * time.Millisecond) {
		if drain(everything); time.Now().After(deadline) {
			t.Fatalf("%d of %d frames arrived", len(everything.got), frames)
		}
	}
	time.Sleep(20 * time.Millisecond)
	tagged := 0
	for _, l := range all {
		drain(l)
		for i, frame := range sent {
			data, known := stripped(frame)
			known.index = uint32(to.Index)
			tagged += int(known.tagged)
			switch dst := frame[:6]; {
			case string(dst) == string(to.HardwareAddr):
				known.kind = 0
			case string(dst) == "\xff\xff\xff\xff\xff\xff":
				known.kind = 1
			case dst[0]&1 != 0:
				known.kind = 2
			default:
				known.kind = 3
			}
			if l.live == LiveCooked {
				data = data[14:]
			}
			want := l.p.run(data, uint32(len(data)), known) == accepted
			if l.got[uint32(i)] != want {
				t.Errorf("%v %q: the kernel says %v, the machine %v: %+v %x\n%s", l.live, l.expr, l.got[uint32(i)], want, *known, data, l.p)
				break
			}
		}
	}
	if tagged == 0 {
		t.Error("no frame had a tag")
	}
}

func refused(expr string) bool {
	_, err := Compile(expr, Config{Link: 1, Live: LiveRaw})
	return err != nil
}
