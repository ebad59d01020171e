package sockets

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"os"
	"strconv"
	"time"

	"framescope/capture/netns"
	"framescope/probes/sockdiag"
)

// procFiles are where kernels without a handler for a kind list its sockets.
var procFiles = map[Kind][]string{
	TCP: {"tcp", "tcp6"}, UDP: {"udp", "udp6"}, UDPLite: {"udplite", "udplite6"}, Raw: {"raw", "raw6"},
	Unix: {"unix"}, Packet: {"packet"}, Netlink: {"netlink"},
}

// proc lists the sockets of a kind from /proc/net.
func (w *walk) proc(k Kind) error {
	found := false
	for i, name := range procFiles[k] {
		if w.ended || k.Inet() && (w.q.Family == sockdiag.IPv4 && i == 1 || w.q.Family == sockdiag.IPv6 && i == 0) {
			continue
		}
		f, err := openProc(w.l.ns, name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		found = true
		err = w.procFile(k, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	if !found {
		return os.ErrNotExist
	}
	return nil
}

// openProc opens a file of /proc/net of the namespace ns.
func openProc(ns *os.File, name string) (f *os.File, err error) {
	err = netns.Do(ns, func() error {
		f, err = os.Open("/proc/thread-self/net/" + name)
		return err
	})
	return f, err
}

func (w *walk) procFile(k Kind, f io.Reader) error {
	s := bufio.NewScanner(f)
	s.Buffer(make([]byte, 0, 4096), 1<<20)
	parse := parsers[k]
	states := w.states(k)
	var fields [20][]byte
	for first := true; s.Scan(); first = false {
		if first {
			continue // the heading
		}
		line := s.Bytes()
		r := w.local(k, inetTypes[min(int(k), len(inetTypes)-1)], sockdiag.CloseState, 0, 0)
		r.FromProc = true
		n := split(line, &fields)
		if !parse(r, line, fields[:n]) || !states.Has(r.State) {
			continue
		}
		if w.q.Filter.Match(r) && !w.send(r) {
			return nil
		}
	}
	return s.Err()
}

// split cuts a line at its spaces.
func split(line []byte, fields *[20][]byte) (n int) {
	for n < len(fields) {
		line = bytes.TrimLeft(line, " ")
		if len(line) == 0 {
			break
		}
		end := bytes.IndexByte(line, ' ')
		if end < 0 {
			end = len(line)
		}
		fields[n] = line[:end]
		line = line[end:]
		n++
	}
	return n
}

// parsers read the lines of /proc/net. They report whether a line is one.
var parsers = map[Kind]func(r *Row, line []byte, fields [][]byte) bool{
	TCP: parseInet, UDP: parseInet, UDPLite: parseInet, Raw: parseInet,
	Unix: parseUnix, Packet: parsePacket, Netlink: parseNetlink,
}

func hexNumber(b []byte) uint64 { n, _ := strconv.ParseUint(string(b), 16, 64); return n }
func number(b []byte) uint64    { n, _ := strconv.ParseUint(string(b), 10, 64); return n }

// parseInet reads a line of tcp, tcp6, udp, ...:
//
//	sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode ...
func parseInet(r *Row, _ []byte, f [][]byte) bool {
	if len(f) < 10 {
		return false
	}
	var ok1, ok2 bool
	r.Src, ok1 = parseAddr(f[1])
	r.Dst, ok2 = parseAddr(f[2])
	if !ok1 || !ok2 {
		return false
	}
	r.Family = sockdiag.IPv6
	if r.Src.Addr().Is4() {
		r.Family = sockdiag.IPv4
	}
	r.State = sockdiag.State(hexNumber(f[3]))
	if tx, rx, ok := bytes.Cut(f[4], []byte(":")); ok {
		r.WQueue, r.RQueue = uint32(hexNumber(tx)), uint32(hexNumber(rx))
	}
	if tr, when, ok := bytes.Cut(f[5], []byte(":")); ok {
		r.Timer = sockdiag.Timer(hexNumber(tr))
		r.Expires = time.Duration(hexNumber(when)) * 10 * time.Millisecond // USER_HZ
	}
	r.Retrans = uint8(hexNumber(f[6]))
	r.UID, r.Inode = uint32(number(f[7])), uint32(number(f[9]))
	switch r.State {
	case sockdiag.TimeWait, sockdiag.SynRecv, sockdiag.NewSynRecv:
		r.Full = false
	case sockdiag.FinWait2:
		r.Full = r.Timer != sockdiag.TimerTimeWait
	}
	r.HasUID = r.Full
	if r.Kind == Raw {
		r.Protocol = r.Src.Port()
	}
	return true
}

// parseAddr reads an address and a port as /proc/net writes them: hex, words in
// host byte order.
func parseAddr(b []byte) (a netip.AddrPort, ok bool) {
	host, port, ok := bytes.Cut(b, []byte(":"))
	if !ok || len(host) != 8 && len(host) != 32 {
		return a, false
	}
	var raw [16]byte
	n, err := hex.Decode(raw[:], host)
	if err != nil {
		return a, false
	}
	for i := 0; i < n; i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr := netip.AddrFrom16(raw)
	if n == 4 {
		addr = netip.AddrFrom4([4]byte(raw[:4]))
	}
	return netip.AddrPortFrom(addr, uint16(hexNumber(port))), true
}

// parseUnix reads: Num RefCount Protocol Flags Type St Inode Path.
func parseUnix(r *Row, line []byte, f [][]byte) bool {
	if len(f) < 7 {
		return false
	}
	r.Refs, r.Flags = uint32(hexNumber(f[1])), uint32(hexNumber(f[3]))
	r.Type = sockdiag.SocketType(hexNumber(f[4]))
	r.Inode = uint32(number(f[6]))
	switch {
	case r.Flags&0x10000 != 0: // SO_ACCEPTCON
		r.State = sockdiag.Listen
	case hexNumber(f[5]) == 3: // SS_CONNECTED
		r.State = sockdiag.Established
	}
	if len(f) > 7 {
		// A path may have spaces.
		r.Name = string(line[cap(line)-cap(f[7]):])
		if r.Name[0] == '@' {
			r.Name = "\x00" + r.Name[1:]
		}
	}
	return true
}

// parsePacket reads: sk RefCnt Type Proto Iface R Rmem User Inode.
func parsePacket(r *Row, _ []byte, f [][]byte) bool {
	if len(f) < 9 {
		return false
	}
	r.Type = sockdiag.SocketType(number(f[2]))
	r.Protocol = uint16(hexNumber(f[3]))
	r.Interface = uint32(number(f[4]))
	r.RQueue = uint32(number(f[6]))
	r.UID, r.HasUID, r.Inode = uint32(number(f[7])), true, uint32(number(f[8]))
	return true
}

// parseNetlink reads: sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode.
func parseNetlink(r *Row, _ []byte, f [][]byte) bool {
	if len(f) < 10 {
		return false
	}
	r.Protocol, r.PortID = uint16(number(f[1])), uint32(number(f[2]))
	r.RQueue, r.WQueue, r.Inode = uint32(number(f[4])), uint32(number(f[5])), uint32(number(f[9]))
	return true
}
