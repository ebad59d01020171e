package ring

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"framescope/capture/pcapfile"
)

// A Source captures packets on one or several interfaces. Its methods are for
// one goroutine, but for Wake; so is Batch.Release, which any may call.
type Source struct {
	socks []*socket
	poll  []unix.PollFd
	wake  int // an eventfd
	// number counts packets.
	number int64
	delay  time.Duration
	sum    byte // keeps the loads of walk alive
}

// Open opens the interfaces. The error is an *Error, one of c.Filter, or a
// *netns.Error.
func Open(c *Config) (*Source, error) {
	c, err := c.check()
	if err != nil {
		return nil, err
	}
	s := &Source{delay: c.Delay}
	if s.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, &Error{Op: "eventfd", Err: err}
	}
	if s.socks, err = openAll(c); err != nil {
		unix.Close(s.wake)
		return nil, err
	}
	for _, sock := range s.socks {
		s.poll = append(s.poll, unix.PollFd{Fd: int32(sock.fd), Events: unix.POLLIN})
	}
	s.poll = append(s.poll, unix.PollFd{Fd: int32(s.wake), Events: unix.POLLIN})
	return s, nil
}

// Interfaces returns the interfaces, in the order of Config.Interfaces:
// Packet.Interface is an index into them.
func (s *Source) Interfaces() (all []pcapfile.Interface) {
	for _, sock := range s.socks {
		all = append(all, sock.iface)
	}
	return all
}

// Buffer returns the size of all rings in bytes.
func (s *Source) Buffer() (n int64) {
	for _, sock := range s.socks {
		n += int64(len(sock.mem))
	}
	return n
}

// Stats returns the counts of each interface.
func (s *Source) Stats() (all []Stats) {
	for _, sock := range s.socks {
		sock.count()
		all = append(all, sock.stats)
	}
	return all
}

// Wake makes the Read that waits, or the next one, return. Any goroutine may
// call it.
func (s *Source) Wake() {
	one := []byte{7: 0}
	binary.NativeEndian.PutUint64(one, 1)
	_, _ = unix.Write(s.wake, one) // full is as good: it wakes
}

// Close ends the capture. Batches of it must not be used any more.
func (s *Source) Close() error {
	for _, sock := range s.socks {
		sock.close()
	}
	return unix.Close(s.wake)
}

// Read fills b with the next packets. When none come within wait, or Wake is
// called, b has none. The error is an *Error; after one that wraps unix.ENETDOWN
// the capture goes on when the interface is up again.
//
// Packets of one interface are in the order in which the kernel saw them. With
// several interfaces they are ordered by time, for which a packet may have to
// wait for twice Config.Delay.
func (s *Source) Read(b *Batch, wait time.Duration) error {
	b.Packets, b.blocks = b.Packets[:0], b.blocks[:0]
	if len(s.socks) > 1 {
		return s.merge(b, wait)
	}
	sock := s.socks[0]
	if len(sock.queue) == 0 {
		blk, err := s.one(wait)
		if blk == nil {
			return err
		}
		sock.queue = append(sock.queue, blk)
	}
	blk := sock.queue[0]
	blk.refs.Add(1)
	b.blocks = append(b.blocks, blk)
	s.walk(blk, b)
	if blk.left == 0 {
		blk.done()
		sock.queue = sock.queue[:0]
	}
	return nil
}

const (
	// batchBytes is how much of a block goes into one batch: what is read of it
	// is in a near cache still when it is written or decoded.
	batchBytes = 256 << 10
	// As with files (package pcapfile), loading a byte of every cache line some
	// way ahead lets the waits for main memory overlap.
	ahead     = 8 << 10
	cacheLine = 64
	stretch   = 1 << 10
)

// walk takes packets out of a block, up to batchBytes.
func (s *Source) walk(blk *block, b *Batch) {
	mem := blk.s.mem[blk.num*blk.s.size:][:blk.s.size]
	used := min(int(blk.s.desc(blk.num).length), len(mem))
	var sum byte
	touched := blk.off
	for end := blk.off + batchBytes; blk.left > 0 && blk.off < end; {
		for until := min(blk.off+ahead, used-stretch); touched < until; touched += stretch {
			p := (*[stretch]byte)(mem[touched:])
			for i := 0; i < stretch; i += 4 * cacheLine {
				sum += p[i] + p[i+cacheLine] + p[i+2*cacheLine] + p[i+3*cacheLine]
			}
		}
		touched = max(touched, blk.off) // behind what a large packet stepped over
		s.packet(blk, 0, b.next())
	}
	s.sum += sum
}

// one returns the next block of the only socket, or nil.
func (s *Source) one(wait time.Duration) (*block, error) {
	if blk := s.socks[0].ready(); blk != nil || wait <= 0 {
		return blk, nil
	}
	if err := s.sleep(wait); err != nil {
		return nil, err
	}
	if blk := s.socks[0].ready(); blk != nil || s.poll[0].Revents == 0 {
		return blk, nil
	}
	// The kernel takes a block that is in a batch still for one to be read.
	time.Sleep(min(wait, time.Millisecond))
	return s.socks[0].ready(), nil
}

// sleep waits until there is something to do.
func (s *Source) sleep(wait time.Duration) error {
	for i := range s.poll {
		s.poll[i].Revents = 0
	}
	n, err := unix.Poll(s.poll, int(max((wait+time.Millisecond-1)/time.Millisecond, 0)))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return &Error{Op: "poll", Err: err}
	}
	for _, sock := range s.socks {
		if err := sock.look(); err != nil {
			return err
		}
	}
	if n <= 0 {
		return nil
	}
	if last := &s.poll[len(s.poll)-1]; last.Revents != 0 {
		var buf [8]byte
		_, _ = unix.Read(s.wake, buf[:])
	}
	for i, sock := range s.socks {
		if s.poll[i].Revents&unix.POLLERR == 0 {
			continue
		}
		if err := sock.failure(); err != nil {
			return err
		}
	}
	return nil
}

// merge fills b with packets of several interfaces, in the order of their
// times. Blocks are filled at the latest after twice the delay: what is older
// than that has no packet before it that is not there yet. A block that was taken
// that long ago holds nothing younger, whatever its times and a clock that was
// set back say.
func (s *Source) merge(b *Batch, wait time.Duration) error {
	end := time.Now().Add(wait)
	for {
		for _, sock := range s.socks {
			// A bounded part of each ring: the rest of it is for the kernel.
			for len(sock.queue) < max(len(sock.blocks)/4, 1) {
				blk := sock.ready()
				if blk == nil {
					break
				}
				blk.came = time.Now()
				sock.queue = append(sock.queue, blk)
			}
		}
		s.order(b, time.Now().Add(-2*s.delay-time.Millisecond))
		now := time.Now()
		if len(b.Packets) > 0 || !now.Before(end) {
			return nil
		}
		nap := end.Sub(now)
		for _, sock := range s.socks {
			if len(sock.queue) > 0 {
				nap = min(nap, s.delay)
			}
		}
		if nap == s.delay { // poll would return at once, for packets that have to wait
			time.Sleep(nap)
			continue
		}
		if err := s.sleep(nap); err != nil {
			return err
		}
		if s.poll[len(s.poll)-1].Revents != 0 {
			end = time.Now()
		}
	}
}

// maxBatch is how many packets a merge puts into one batch.
const maxBatch = 8192

// order moves packets that are older than until into b, or were taken before it.
// A socket whose queue is full does not wait any longer.
func (s *Source) order(b *Batch, until time.Time) {
	latest := until.UnixNano()
	for len(b.Packets) < maxBatch {
		first, at := -1, int64(0)
		for i, sock := range s.socks {
			for len(sock.queue) > 0 && sock.queue[0].left == 0 {
				sock.queue[0].done()
				sock.queue = sock.queue[:copy(sock.queue, sock.queue[1:])]
			}
			if len(sock.queue) == 0 {
				continue
			}
			if t := sock.queue[0].time(); first < 0 || t < at {
				first, at = i, t
			}
		}
		if first < 0 {
			return
		}
		q := s.socks[first].queue
		if at > latest && q[0].came.After(until) && len(q) < max(len(s.socks[first].blocks)/4, 1) {
			return
		}
		if n := len(b.blocks); n == 0 || !b.has(q[0]) {
			q[0].refs.Add(1)
			b.blocks = append(b.blocks, q[0])
		}
		s.packet(q[0], uint16(first), b.next())
	}
}

// next makes room for a packet: it holds what an earlier one held.
func (b *Batch) next() *pcapfile.Packet {
	n := len(b.Packets)
	if n == cap(b.Packets) {
		b.Packets = slices.Grow(b.Packets, 1)
	}
	b.Packets = b.Packets[:n+1]
	return &b.Packets[n]
}

func (b *Batch) has(blk *block) bool {
	for i := len(b.blocks) - 1; i >= 0; i-- {
		if b.blocks[i] == blk {
			return true
		}
	}
	return false
}

// Release gives the batch's part of the ring back to the kernel. Its packets
// must not be used any more. Any goroutine may call it.
func (b *Batch) Release() {
	for _, blk := range b.blocks {
		blk.done()
	}
	b.Packets, b.blocks = b.Packets[:0], b.blocks[:0]
}

// header returns the header of the next packet of the block.
func (b *block) header() *unix.Tpacket3Hdr {
	return (*unix.Tpacket3Hdr)(unsafe.Pointer(&b.s.mem[b.num*b.s.size+b.off]))
}

// time returns when the next packet was captured.
func (b *block) time() int64 {
	h := b.header()
	return int64(h.Sec)*1e9 + int64(h.Nsec)
}

const (
	// addrOff is where struct sockaddr_ll stands behind a packet's header.
	addrOff = 48
	sll2Len = 20
	vlanLen = 4
)

// packet takes the next packet out of a block.
func (s *Source) packet(b *block, iface uint16, p *pcapfile.Packet) {
	h := b.header()
	start := b.num*b.s.size + b.off
	mem := b.s.mem[start : (b.num+1)*b.s.size]
	s.number++
	*p = pcapfile.Packet{
		Data: mem[h.Mac:][:h.Snaplen:h.Snaplen], Time: int64(h.Sec)*1e9 + int64(h.Nsec),
		Number: s.number, Wire: h.Len, Link: b.s.link, Interface: iface,
	}
	if h.Status&unix.TP_STATUS_VLAN_VALID != 0 || b.s.kind == Cooked {
		s.restore(b, h, mem, p)
	}
	b.left--
	b.off += int(h.Next_offset)
}

// restore puts in front of a packet what the kernel took away: a VLAN tag, or
// the whole link-layer header. There is room: see reserve.
func (s *Source) restore(b *block, h *unix.Tpacket3Hdr, mem []byte, p *pcapfile.Packet) {
	mac := int(h.Mac)
	tpid := uint16(unix.ETH_P_8021Q)
	if h.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		tpid = h.Hv1.Vlan_tpid
	}
	tagged := h.Status&unix.TP_STATUS_VLAN_VALID != 0
	if b.s.kind == Raw {
		const addresses = 12
		if b.s.link != linkEthernet || h.Snaplen < addresses+2 {
			return
		}
		d := mem[mac-vlanLen:][:int(h.Snaplen)+vlanLen]
		copy(d, d[vlanLen:][:addresses])
		binary.BigEndian.PutUint16(d[addresses:], tpid)
		binary.BigEndian.PutUint16(d[addresses+2:], uint16(h.Hv1.Vlan_tci))
		n := min(len(d), b.s.snap)
		p.Data, p.Wire = d[:n:n], h.Len+vlanLen
		return
	}
	a := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&mem[addrOff]))
	proto := htons(a.Protocol)
	front := sll2Len
	if tagged {
		front += vlanLen
	}
	d := mem[mac-front:][:int(h.Snaplen)+front]
	// The address is behind the packet's header: the kernel left room between
	// it and the packet.
	var head [sll2Len]byte
	binary.BigEndian.PutUint32(head[4:], uint32(a.Ifindex))
	binary.BigEndian.PutUint16(head[8:], a.Hatype)
	head[10], head[11] = a.Pkttype, a.Halen
	copy(head[12:], a.Addr[:min(int(a.Halen), len(a.Addr))])
	if tagged {
		binary.BigEndian.PutUint16(d[sll2Len:], uint16(h.Hv1.Vlan_tci))
		binary.BigEndian.PutUint16(d[sll2Len+2:], proto)
		proto = tpid
	}
	binary.BigEndian.PutUint16(head[0:], proto)
	copy(d, head[:])
	n := min(len(d), b.s.snap)
	p.Data, p.Wire = d[:n:n], h.Len+uint32(front)
}
