package ring

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"framescope/capture/netns/netnstest"
	"framescope/capture/pcapfile"
	"framescope/capture/pcapfilter"
)

// sender returns a function that sends frames on an interface.
func sender(t *testing.T, name string) func(frames ...[]byte) {
	t.Helper()
	i, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	to := &unix.SockaddrLinklayer{Ifindex: i.Index}
	return func(frames ...[]byte) {
		for _, f := range frames {
			if err := unix.Sendto(fd, f, 0, to); err != nil {
				t.Fatalf("send: %v", err)
			}
		}
	}
}

// frame returns an Ethernet frame of an experimental type with a number in it.
func frame(n, size int, tags ...uint32) []byte {
	b := append(bytes.Repeat([]byte{2}, 6), 2, 0, 0, 0, 0, 1)
	for _, t := range tags {
		b = binary.BigEndian.AppendUint32(b, t)
	}
	b = append(b, 0x88, 0xb5)
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	return append(b, make([]byte, max(size-len(b), 0))...)
}

func open(t *testing.T, c Config) *Source {
	t.Helper()
	s, err := Open(&c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// A packet is what a test keeps of a captured one.
type packet struct {
	data  []byte
	time  int64
	wire  uint32
	iface uint16
}

// read returns copies of the next n packets, and fails after ten seconds.
func read(t *testing.T, s *Source, n int) (all []packet) {
	t.Helper()
	var b Batch
	for end := time.Now().Add(10 * time.Second); len(all) < n && time.Now().Before(end); {
		if err := s.Read(&b, 20*time.Millisecond); err != nil {
			t.Error(err)
			break
		}
		for _, p := range b.Packets {
			if want := int64(len(all) + 1); p.Number != want {
				t.Errorf("packet number %d, want %d", p.Number, want)
			}
			all = append(all, packet{bytes.Clone(p.Data), p.Time, p.Wire, p.Interface})
		}
		b.Release()
	}
	if len(all) != n {
		t.Fatalf("%d packets, want %d", len(all), n)
	}
	return all
}

func TestFrames(t *testing.T) {
	netnstest.InVeth(t, func() {
		sent := [][]byte{
			frame(1, 60), frame(2, 1514),
			frame(3, 60, 0x8100_e007),              // VLAN 7, priority 7
			frame(4, 60, 0x88a8_0064, 0x8100_0007), // QinQ
			frame(5, 60, 0x8100_0000),              // priority tag
		}
		s := open(t, Config{Interfaces: []string{"fs1"}})
		if i := s.Interfaces()[0]; i.Name != "fs1" || i.Link != linkEthernet || i.SnapLen != DefaultSnapLen || i.Hardware == "" {
			t.Errorf("interface %+v", i)
		}
		before := time.Now().UnixNano()
		sender(t, "fs0")(sent...)
		for i, p := range read(t, s, len(sent)) {
			if !bytes.Equal(p.data, sent[i]) || int(p.wire) != len(sent[i]) {
				t.Errorf("frame %d: wire length %d\n got %x\nwant %x", i, p.wire, p.data, sent[i])
			}
			if d := p.time - before; d < 0 || d > int64(5*time.Second) {
				t.Errorf("frame %d: captured %v after it was sent", i, time.Duration(d))
			}
		}
		if st := s.Stats()[0]; st != (Stats{Received: int64(len(sent))}) {
			t.Errorf("%+v", st)
		}
	})
}

func TestSnapLen(t *testing.T) {
	netnstest.InVeth(t, func() {
		for _, c := range []Config{
			{Interfaces: []string{"fs1"}, SnapLen: 64},
			{Interfaces: []string{"fs1"}, SnapLen: 64, Filter: func(uint16, Socket) ([]pcapfilter.Instruction, error) {
				return []pcapfilter.Instruction{{Op: opRet, K: 1}}, nil
			}},
			{Interfaces: []string{Any}, SnapLen: 64},
		} {
			s := open(t, c)
			sender(t, "fs0")(frame(1, 1000, 0x8100_0007))
			n := 1
			if c.Interfaces[0] == Any {
				n = 2 // sent, and received
			}
			p := read(t, s, n)[n-1]
			if want := 1000 + (sll2Len-14)*(n-1); len(p.data) != 64 || int(p.wire) != want {
				t.Errorf("%v: %d of %d bytes, want 64 of %d", c.Interfaces, len(p.data), p.wire, want)
			}
			s.Close()
		}
	})
}

// Loopback shows a packet when it is sent and when it arrives: one is enough.
func TestLoopback(t *testing.T) {
	for _, name := range []string{"lo", Any} {
		t.Run(name, func(t *testing.T) {
			netnstest.InVeth(t, func() {
				s := open(t, Config{Interfaces: []string{name}})
				c, err := net.ListenPacket("udp", "127.0.0.1:0")
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				var sent []string
				for i := range 20 {
					sent = append(sent, fmt.Sprintf("number %d", i))
					if _, err := c.WriteTo([]byte(sent[i]), c.LocalAddr()); err != nil {
						t.Error(err)
						return
					}
				}
				time.Sleep(20 * time.Millisecond) // for packets too many
				sender(t, "lo")(frame(0, 60))
				front := 14
				if name == Any {
					front = sll2Len
				}
				for i, p := range read(t, s, len(sent)+1)[:len(sent)] {
					if got := string(p.data[front+28:]); got != sent[i] || p.data[front] != 0x45 {
						t.Errorf("packet %d: %q, %x", i, got, p.data)
					}
				}
			})
		})
	}
}

func TestCooked(t *testing.T) {
	netnstest.InVeth(t, func() {
		index := map[string]uint32{}
		for _, name := range []string{"fs0", "fs1"} {
			i, _ := net.InterfaceByName(name)
			index[name] = uint32(i.Index)
		}
		s := open(t, Config{Interfaces: []string{Any}})
		if i := s.Interfaces()[0]; i.Name != Any || i.Link != linkSLL2 {
			t.Errorf("interface %+v", i)
		}
		sender(t, "fs0")(frame(1, 60), frame(2, 60, 0x8100_e007))
		// Each is sent by fs0 and received by fs1.
		all := read(t, s, 4)
		for i, want := range []struct {
			name, head, rest string
			kind             byte
		}{
			{"fs0", "88b5", "00000001", unix.PACKET_OUTGOING},
			{"fs1", "88b5", "00000001", unix.PACKET_OTHERHOST},
			{"fs0", "8100", "e00788b500000002", unix.PACKET_OUTGOING},
			{"fs1", "8100", "e00788b500000002", unix.PACKET_OTHERHOST},
		} {
			d := all[i].data
			if fmt.Sprintf("%x", d[:2]) != want.head || binary.BigEndian.Uint32(d[4:]) != index[want.name] || d[10] != want.kind ||
				binary.BigEndian.Uint16(d[8:]) != 1 || d[11] != 6 || !bytes.Equal(d[12:18], []byte{2, 0, 0, 0, 0, 1}) {
				t.Errorf("packet %d: header %x", i, d[:20])
			}
			if !strings.HasPrefix(fmt.Sprintf("%x", d[20:]), want.rest) {
				t.Errorf("packet %d: %x", i, d[20:])
			}
			if int(all[i].wire) != len(d) {
				t.Errorf("packet %d: %d of %d bytes", i, len(d), all[i].wire)
			}
		}
	})
}

// A filter is there before the first packet, and the socket does not see what
// came before it was opened.
func TestFilter(t *testing.T) {
	netnstest.InVeth(t, func() {
		send := sender(t, "fs0")
		send(frame(0, 60))
		s := open(t, Config{Interfaces: []string{"fs1"}, Filter: func(link uint16, sock Socket) ([]pcapfilter.Instruction, error) {
			if link != linkEthernet || sock != Raw {
				t.Errorf("a filter for link type %d, %d", link, sock)
			}
			return []pcapfilter.Instruction{{Op: opLoad, K: 14}, {Op: opEqual, K: 7, Jf: 1}, {Op: opRet, K: 1}, {Op: opRet}}, nil
		}})
		for i := range 10 {
			send(frame(i, 60))
		}
		if p := read(t, s, 1)[0]; !bytes.Equal(p.data, frame(7, 60)) {
			t.Errorf("%x", p.data)
		}
		if st := s.Stats()[0]; st.Received != 1 {
			t.Errorf("%+v", st)
		}
		want := errors.New("no")
		_, err := Open(&Config{Interfaces: []string{"fs1"}, Filter: func(uint16, Socket) ([]pcapfilter.Instruction, error) { return nil, want }})
		if !errors.Is(err, want) {
			t.Errorf("%v", err)
		}
	})
}

// What does not fit into the ring is counted; what does is not overwritten
// while a batch refers to it.
func TestFull(t *testing.T) {
	netnstest.InVeth(t, func() {
		s := open(t, Config{Interfaces: []string{"fs1"}, Buffer: MinBuffer, Delay: 200 * time.Millisecond})
		if s.Buffer() != MinBuffer {
			t.Errorf("a ring of %d bytes", s.Buffer())
		}
		send := sender(t, "fs0")
		const total = 3000
		for i := range total {
			send(frame(i, 1514))
		}
		var batches [16]Batch
		var got []uint32
		for i := range batches {
			if err := s.Read(&batches[i], 300*time.Millisecond); err != nil {
				t.Error(err)
				return
			}
		}
		send(frame(total, 60)) // into a ring that is full still
		for i := range batches {
			for _, p := range batches[i].Packets {
				got = append(got, binary.BigEndian.Uint32(p.Data[14:]))
			}
			batches[i].Release()
		}
		for i, n := range got {
			if int(n) != i {
				t.Errorf("packet %d has the number %d", i, n)
				return
			}
		}
		st := s.Stats()[0]
		if st.Received != total+1 || st.Dropped != total+1-int64(len(got)) || st.Full == 0 || len(got) < 1000 {
			t.Errorf("%d packets of %d, %+v", len(got), total, st)
		}
		// Then it goes on.
		send(frame(1, 60))
		var b Batch
		for range 50 {
			if s.Read(&b, 20*time.Millisecond); len(b.Packets) > 0 {
				break
			}
			b.Release()
		}
		if len(b.Packets) != 1 {
			t.Errorf("%d packets after the ring was emptied", len(b.Packets))
		}
	})
}

// Packets of several interfaces come in the order of their times.
func TestMerge(t *testing.T) {
	netnstest.InVeth(t, func() {
		// The order holds as long as no block is late by more than the delay.
		s := open(t, Config{Interfaces: []string{"fs0", "fs1", "lo"}, Delay: 500 * time.Millisecond})
		here, there, lo := sender(t, "fs0"), sender(t, "fs1"), sender(t, "lo")
		const rounds = 400
		for i := range rounds {
			here(frame(3*i, 60))
			there(frame(3*i+1, 60))
			lo(frame(3*i+2, 60))
			if i%100 == 0 {
				time.Sleep(7 * time.Millisecond)
			}
		}
		all := read(t, s, 5*rounds)
		count := [3]int{}
		for i, p := range all {
			count[p.iface]++
			if i > 0 && p.time < all[i-1].time {
				t.Errorf("packet %d is %d ns earlier than the one before", i, all[i-1].time-p.time)
			}
		}
		if count != [3]int{2 * rounds, 2 * rounds, rounds} {
			t.Errorf("packets of the interfaces: %v", count)
		}
		seen := make([]int, 3*rounds)
		for _, p := range all {
			seen[binary.BigEndian.Uint32(p.data[14:])]++
		}
		for i, n := range seen {
			if want := 2; n != want && (i%3 != 2 || n != 1) {
				t.Errorf("frame %d came %d times", i, n)
			}
		}
	})
}

// Packets of a time that is to come, as before the clock was set back, do not
// wait for it.
func TestMergeClock(t *testing.T) {
	netnstest.InVeth(t, func() {
		s := open(t, Config{Interfaces: []string{"fs0", "fs1"}})
		sender(t, "fs0")(frame(0, 60))
		for _, sock := range s.socks {
			for atomic.LoadUint32(&sock.desc(0).status)&unix.TP_STATUS_USER == 0 {
				time.Sleep(time.Millisecond)
			}
			b := block{s: sock, off: int(sock.desc(0).first)}
			b.header().Sec += 3600
		}
		if all := read(t, s, 2); all[0].time < time.Now().Add(time.Minute).UnixNano() {
			t.Errorf("the packet has the time %d", all[0].time)
		}
	})
}

func TestWake(t *testing.T) {
	netnstest.InVeth(t, func() {
		for _, names := range [][]string{{"fs1"}, {"fs0", "fs1"}} {
			s := open(t, Config{Interfaces: names})
			go func() {
				time.Sleep(20 * time.Millisecond)
				s.Wake()
			}()
			var b Batch
			if err := s.Read(&b, time.Hour); err != nil || len(b.Packets) != 0 {
				t.Errorf("%v, %d packets", err, len(b.Packets))
			}
			s.Close()
		}
	})
}

// An interface that goes down is an error once; it works again when it is up.
// One that is gone is an error that says so.
func TestDown(t *testing.T) {
	netnstest.InVeth(t, func() {
		s := open(t, Config{Interfaces: []string{"fs1"}})
		var b Batch
		netnstest.Run(t, nil, "ip", "link", "set", "fs1", "down")
		if err := s.Read(&b, time.Second); !errors.Is(err, unix.ENETDOWN) || errors.Is(err, ErrNoInterface) || err.Error() != "fs1: network is down" {
			t.Errorf("down: %v", err)
		}
		netnstest.Up(t, nil, "fs1")
		netnstest.Carrier(t, nil, "fs0", "fs1")
		sender(t, "fs0")(frame(1, 60))
		read(t, s, 1)
		netnstest.Run(t, nil, "ip", "link", "delete", "fs1")
		if err := s.Read(&b, time.Second); !errors.Is(err, ErrNoInterface) || err.Error() != "fs1: it was removed: there is no such interface" {
			t.Errorf("removed: %v", err)
		}
	})
}

// The kernel does not say that an interface that is down already is removed.
func TestRemovedWhileDown(t *testing.T) {
	netnstest.InVeth(t, func() {
		s := open(t, Config{Interfaces: []string{"fs1"}})
		var b Batch
		for _, args := range []string{"link set fs1 down", "link delete fs1"} {
			netnstest.Run(t, nil, "ip", strings.Fields(args)...)
			if err := s.Read(&b, 50*time.Millisecond); args == "link set fs1 down" && !errors.Is(err, unix.ENETDOWN) {
				t.Errorf("down: %v", err)
			}
		}
		for range 100 {
			if err := s.Read(&b, 50*time.Millisecond); errors.Is(err, ErrNoInterface) {
				return
			} else if err != nil {
				t.Errorf("%v", err)
			}
		}
		t.Error("nothing said that the interface is gone")
	})
}

func TestErrors(t *testing.T) {
	netnstest.InVeth(t, func() {
		for _, tt := range []struct {
			names []string
			want  string
		}{
			{[]string{"nope"}, "nope: there is no such interface; there are: lo, fs1, fs0, any"},
			{[]string{""}, ": there is no such interface; there are: lo, fs1, fs0, any"},
			{[]string{strings.Repeat("x", 300)}, strings.Repeat("x", 300) + ": there is no such interface; there are: lo, fs1, fs0, any"},
			{nil, "open: no interface is named"},
			{[]string{"lo", "any"}, "any: it stands for all interfaces: name no others"},
		} {
			if _, err := Open(&Config{Interfaces: tt.names}); err == nil || strings.TrimPrefix(err.Error(), ": ") != strings.TrimPrefix(tt.want, ": ") {
				t.Errorf("%q: %v\nwant %s", tt.names, err, tt.want)
			}
		}
	})
}

// Reading a packet allocates nothing.
func TestAllocs(t *testing.T) {
	netnstest.InVeth(t, func() {
		s := open(t, Config{Interfaces: []string{"fs1"}})
		send := sender(t, "fs0")
		f := frame(0, 1514)
		for range 6000 { // a dozen of blocks
			send(f)
		}
		b := Batch{Packets: make([]pcapfile.Packet, 0, 1<<14)}
		if n := testing.AllocsPerRun(5, func() {
			s.Read(&b, 20*time.Millisecond)
			b.Release()
		}); n != 0 || s.number < 500 {
			t.Errorf("%v allocations for a block, %d packets", n, s.number)
		}
	})
}
