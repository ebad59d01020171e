package ring

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"framescope/capture/netns"
	"framescope/capture/pcapfile"
	"framescope/capture/pcapfilter"
)

// LINKTYPE_ numbers.
const (
	linkEthernet = 1
	linkRaw      = 101
	link80211    = 105
	linkRadiotap = 127
	linkSLL2     = 276
)

const (
	// A block goes to the reader when it is full or Config.Delay is over,
	// however little is in it: with small ones the ring holds more such pauses.
	// It has to hold the largest packets, better several: with big TCP these
	// have up to half a megabyte.
	minBlock = 256 << 10
	maxBlock = 1 << 20
	// frameSize means nothing with TPACKET_V3, but has to divide a block.
	frameSize = 1 << 11
	// reserve is the room in front of each packet that we write into: a
	// LINKTYPE_LINUX_SLL2 header with a VLAN tag.
	reserve = 32
)

// A socket captures on one interface.
type socket struct {
	fd     int
	mem    []byte // the ring
	size   int    // of a block
	snap   int    // how much of a packet is wanted
	next   int    // the block that the kernel fills next
	link   uint16
	kind   Socket
	index  int // of the interface; zero for all
	iface  pcapfile.Interface
	stats  Stats
	blocks []block
	queue  []*block  // filled, and not read wholly
	down   time.Time // when it was last looked whether a down interface is there
}

// A block is a part of the ring that has been filled.
type block struct {
	s    *socket
	num  int
	refs atomic.Int32 // who uses it still
	left int          // how many packets have not been read
	off  int          // where the next one is, from the beginning of the block
	came time.Time    // with several interfaces: when it was taken
}

// newSocket opens a socket on the interface name. It is called in the
// namespace of the interface.
func newSocket(name string, c *Config) (*socket, error) {
	s := &socket{fd: -1, size: blockFor(largest(name)), kind: Cooked, link: linkSLL2, snap: int(c.SnapLen)}
	loopback, hardware := 0, ""
	if name != Any {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return nil, noInterface(name, err)
		}
		s.index = i.Index
		hardware = i.HardwareAddr.String()
		if i.Flags&net.FlagLoopback != 0 {
			loopback = i.Index
		}
		if s.link, err = linkType(name); err != nil {
			return nil, &Error{name, "hardware type", err}
		}
		if s.link != linkSLL2 {
			s.kind = Raw
		}
	} else if all, err := net.Interfaces(); err == nil {
		for _, i := range all {
			if i.Flags&net.FlagLoopback != 0 {
				loopback = i.Index
			}
		}
	}
	s.iface = pcapfile.Interface{
		Name: name, Hardware: hardware, Filter: c.FilterText, Link: s.link, SnapLen: c.SnapLen,
		Resolution: 9, FCS: -1, Received: -1, Dropped: -1, SystemDropped: -1,
	}
	var prog []pcapfilter.Instruction
	if c.Filter != nil {
		var err error
		if prog, err = c.Filter(s.link, s.kind); err != nil {
			return nil, err
		}
	}
	if err := s.open(c, prog, loopback); err != nil {
		s.close()
		return nil, err
	}
	for i := range s.blocks {
		s.blocks[i].s, s.blocks[i].num = s, i
	}
	return s, nil
}

// open makes the socket itself.
func (s *socket) open(c *Config, prog []pcapfilter.Instruction, loopback int) (err error) {
	fail := func(op string, err error) error { return &Error{s.iface.Name, op, err} }
	typ := unix.SOCK_RAW
	if s.kind == Cooked {
		typ = unix.SOCK_DGRAM
	}
	// With protocol 0 nothing arrives before everything is set.
	if s.fd, err = unix.Socket(unix.AF_PACKET, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
		return fail("socket", err)
	}
	if s.index == 0 && loopback != 0 {
		prog = notTwice(prog, loopback)
	}
	if err := s.attach(prog, c.SnapLen); err != nil {
		if errors.Is(err, unix.ENOMEM) {
			err = fmt.Errorf("a program of %d instructions is more than net.core.optmem_max allows: %w", len(prog), err)
		}
		return fail("filter", err)
	}
	if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fail("TPACKET_V3", err)
	}
	if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_RESERVE, reserve); err != nil {
		return fail("PACKET_RESERVE", err)
	}
	if s.index != 0 && s.index == loopback {
		// Loopback shows each packet twice, when it is sent and when it arrives.
		if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
			if err := s.attach(notTwice(prog, loopback), c.SnapLen); err != nil { // before linux 4.20
				return fail("filter", err)
			}
		}
	}
	if err := s.mapRing(c); err != nil {
		return fail("ring", err)
	}
	if c.Promiscuous && s.index != 0 {
		m := unix.PacketMreq{Ifindex: int32(s.index), Type: unix.PACKET_MR_PROMISC}
		if err := unix.SetsockoptPacketMreq(s.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m); err != nil {
			return fail("PACKET_MR_PROMISC", err)
		}
	}
	if err := unix.Bind(s.fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: s.index}); err != nil {
		return fail("bind", err)
	}
	return nil
}

// noInterface names the interfaces that there are.
func noInterface(name string, err error) error {
	all, e := net.Interfaces()
	var sys *os.SyscallError
	if e != nil || errors.As(err, &sys) {
		return &Error{name, "", err}
	}
	names := []string{}
	for _, i := range all {
		names = append(names, i.Name)
	}
	return &Error{name, "", &absent{names}}
}

// absent is an ErrNoInterface that says which there are.
type absent struct{ names []string }

func (a *absent) Error() string {
	return ErrNoInterface.Error() + "; there are: " + strings.Join(a.names, ", ") + ", " + Any
}
func (a *absent) Unwrap() error { return ErrNoInterface }

func htons(v uint16) uint16 { return v<<8 | v>>8 }

// linkType returns the link type of an interface: LINKTYPE_LINUX_SLL2 where
// its own headers cannot be had, or are of no use.
func linkType(name string) (uint16, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, r); err != nil {
		return 0, err
	}
	switch r.Uint16() { // sa_family of the address
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK:
		return linkEthernet, nil
	case unix.ARPHRD_NONE, unix.ARPHRD_RAWIP:
		return linkRaw, nil
	case unix.ARPHRD_IEEE80211:
		return link80211, nil
	case unix.ARPHRD_IEEE80211_RADIOTAP:
		return linkRadiotap, nil
	}
	return linkSLL2, nil
}

// Classic BPF (linux/filter.h, linux/bpf_common.h).
const (
	opLoad  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	opEqual = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	opRet   = unix.BPF_RET | unix.BPF_K
	opRetA  = unix.BPF_RET | unix.BPF_A
	adOff   = 1<<32 - 0x1000 // SKF_AD_OFF
	adType  = adOff + 4      // SKF_AD_PKTTYPE
	adIndex = adOff + 8      // SKF_AD_IFINDEX
)

// notTwice puts in front of a program that packets on the loopback interface
// count when they arrive, not when they are sent.
func notTwice(prog []pcapfilter.Instruction, loopback int) []pcapfilter.Instruction {
	if len(prog) == 0 {
		prog = []pcapfilter.Instruction{{Op: opRet, K: DefaultSnapLen}}
	}
	return append([]pcapfilter.Instruction{
		{Op: opLoad, K: adIndex},
		{Op: opEqual, K: uint32(loopback), Jf: 3},
		{Op: opLoad, K: adType},
		{Op: opEqual, K: unix.PACKET_OUTGOING, Jf: 1},
		{Op: opRet, K: 0},
	}, prog...)
}

// attach attaches a filter that captures snap bytes of what prog takes.
func (s *socket) attach(prog []pcapfilter.Instruction, snap uint32) error {
	if len(prog) == 0 {
		if snap >= DefaultSnapLen {
			return nil
		}
		prog = []pcapfilter.Instruction{{Op: opRet, K: snap}}
	}
	if s.kind == Cooked && snap < DefaultSnapLen {
		snap -= min(snap-1, sll2Len) // the header is ours, but part of the packet
	}
	code := make([]unix.SockFilter, len(prog))
	for i, in := range prog {
		if in.Op == opRet && in.K != 0 {
			in.K = snap
		}
		code[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
}

// mapRing makes the ring, with fewer blocks where there is not enough memory.
func (s *socket) mapRing(c *Config) error {
	for n := max(c.Buffer/s.size, 2); ; n /= 2 {
		req := unix.TpacketReq3{
			Block_size: uint32(s.size), Block_nr: uint32(n), Frame_size: frameSize, Frame_nr: uint32(n * (s.size / frameSize)),
			Retire_blk_tov: uint32(max(c.Delay/time.Millisecond, 1)),
		}
		err := unix.SetsockoptTpacketReq3(s.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req)
		if errors.Is(err, unix.ENOMEM) && n > 2 {
			continue
		}
		if err != nil {
			return err
		}
		s.mem, err = unix.Mmap(s.fd, 0, n*s.size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		s.blocks = make([]block, n)
		return err
	}
}

func (s *socket) close() {
	if s.mem != nil {
		_ = unix.Munmap(s.mem)
		s.mem = nil
	}
	if s.fd >= 0 {
		unix.Close(s.fd)
		s.fd = -1
	}
}

// count adds what the kernel has counted since it was last asked.
func (s *socket) count() {
	if s.fd < 0 {
		return
	}
	st, err := unix.GetsockoptTpacketStatsV3(s.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return
	}
	s.stats.Received += int64(st.Packets)
	s.stats.Dropped += int64(st.Drops)
	s.stats.Full += int64(st.Freeze_q_cnt)
}

// failure returns the error that the kernel has for the socket, if any. Asking
// takes it away.
func (s *socket) failure() error {
	e, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && e != 0 {
		err = unix.Errno(e)
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.ENETDOWN) && s.index != 0 {
		if gone := s.gone(); gone != nil {
			return gone
		}
		s.down = time.Now()
	}
	return &Error{s.iface.Name, "", err}
}

// gone returns an error if the interface is not there any more. The kernel
// says that of itself only if the interface was up before.
func (s *socket) gone() error {
	r, err := unix.NewIfreq("")
	if err == nil {
		r.SetUint32(uint32(s.index))
		err = unix.IoctlIfreq(s.fd, unix.SIOCGIFNAME, r)
	}
	if errors.Is(err, unix.ENODEV) {
		return &Error{s.iface.Name, "", fmt.Errorf("it was removed: %w", ErrNoInterface)}
	}
	return nil
}

// look looks now and then whether an interface that went down is there still.
func (s *socket) look() error {
	if s.down.IsZero() || time.Since(s.down) < time.Second/2 {
		return nil
	}
	s.down = time.Now()
	return s.gone()
}

// desc returns the header of block num.
func (s *socket) desc(num int) *blockDesc {
	return (*blockDesc)(unsafe.Pointer(&s.mem[num*s.size]))
}

// A blockDesc is struct tpacket_block_desc with version 1 of its header.
type blockDesc struct {
	version, private uint32
	status           uint32 // shared with the kernel: atomic
	packets          uint32
	first            uint32 // offset of the first packet
	length           uint32
	number           uint64
}

// ready returns the next block if the kernel has filled it, or nil.
func (s *socket) ready() *block {
	d := s.desc(s.next)
	b := &s.blocks[s.next]
	if b.refs.Load() != 0 || atomic.LoadUint32(&d.status)&unix.TP_STATUS_USER == 0 {
		return nil // in use still, or not filled
	}
	b.left, b.off = int(d.packets), int(d.first)
	b.refs.Store(1)
	if s.next++; s.next == len(s.blocks) {
		s.next = 0
	}
	return b
}

// done gives up one use of a block; the last one gives it back to the kernel.
func (b *block) done() {
	if b.refs.Add(-1) == 0 {
		atomic.StoreUint32(&b.s.desc(b.num).status, unix.TP_STATUS_KERNEL)
	}
}

// openAll opens a socket for each interface.
func openAll(c *Config) (all []*socket, err error) {
	err = netns.Do(c.Namespace, func() error {
		for _, name := range c.Interfaces {
			s, err := newSocket(name, c)
			if err != nil {
				return err
			}
			all = append(all, s)
		}
		return nil
	})
	if err != nil {
		for _, s := range all {
			s.close()
		}
		return nil, err
	}
	return all, nil
}

// check completes a Config.
func (c Config) check() (*Config, error) {
	if len(c.Interfaces) == 0 {
		return nil, &Error{Op: "open", Err: errors.New("no interface is named")}
	}
	if c.Promiscuous && slices.Contains(c.Interfaces, Any) {
		return nil, &Error{Interface: Any, Err: errors.New("promiscuous mode is for interfaces that are named")}
	}
	if len(c.Interfaces) > 1 && slices.Contains(c.Interfaces, Any) {
		return nil, &Error{Interface: Any, Err: errors.New("it stands for all interfaces: name no others")}
	}
	c.SnapLen = min(cmp.Or(c.SnapLen, DefaultSnapLen), DefaultSnapLen)
	c.Buffer = min(max(cmp.Or(c.Buffer, DefaultBuffer), MinBuffer), MaxBuffer)
	c.Delay = max(cmp.Or(c.Delay, 4*time.Millisecond), time.Millisecond)
	return &c, nil
}
