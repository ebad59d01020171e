package sockdiag

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"testing"

	"framescope/probes/nlmsg"
)

const errAttrMsg = 1 // NLMSGERR_ATTR_MSG

// A replay stands in for the kernel: whatever is asked, it answers with the
// datagrams, and then with the error.
type replay struct {
	datagrams [][]byte
	err       error
	sent      int      // requests
	types     []uint16 // of the requests
	again     bool
	next      int
}

func (r *replay) send(b []byte) error {
	r.sent++
	r.types = append(r.types, ne.Uint16(b[4:]))
	if r.again {
		r.next = 0
	}
	return nil
}

func (r *replay) recv(b []byte) (int, error) {
	if r.next == len(r.datagrams) {
		return 0, r.err
	}
	d := r.datagrams[r.next]
	r.next++
	copy(b, d)
	return len(d), nil
}

func (r *replay) interrupt()   {}
func (r *replay) close() error { return nil }

// replayed returns a Conn that is answered with messages, in datagrams as large
// as the kernel's.
func replayed(messages []byte) *Conn {
	r := &replay{err: io.ErrUnexpectedEOF}
	for len(messages) > 0 {
		n := 0
		for n+nlmsg.HeaderLen <= len(messages) {
			l := nlmsg.Align(int(ne.Uint32(messages[n:])))
			if l < nlmsg.HeaderLen || n > 0 && n+l > bufferSize {
				break
			}
			n = min(n+l, len(messages))
		}
		if n == 0 {
			n = len(messages)
		}
		r.datagrams = append(r.datagrams, messages[:n])
		messages = messages[n:]
	}
	return newConn(r)
}

// msg makes a message of the first answer.
func msg(typ, flags uint16, body ...byte) []byte { return msgSeq(1, typ, flags, body...) }

func msgSeq(seq uint32, typ, flags uint16, body ...byte) []byte {
	b := ne.AppendUint32(nil, uint32(nlmsg.HeaderLen+len(body)))
	b = ne.AppendUint16(b, typ)
	b = ne.AppendUint16(b, flags)
	b = ne.AppendUint32(b, seq)
	b = ne.AppendUint32(b, 0)
	b = append(b, body...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// row is a struct inet_diag_msg of IPv4, with attributes.
func row(state State, attrs ...byte) []byte {
	b := make([]byte, inetMsgLen)
	b[0], b[1] = byte(IPv4), byte(state)
	b[4], b[5] = 0x22, 0x3d // port 8765
	b[8], b[11] = 127, 1
	return append(b, attrs...)
}

func attr(typ uint16, v ...byte) []byte { return nlmsg.AppendAttr(nil, typ, v...) }

func num(e syscall.Errno) []byte { return ne.AppendUint32(nil, uint32(-int32(e))) }

func join(b ...[]byte) (all []byte) {
	for _, b := range b {
		all = append(all, b...)
	}
	return all
}

// Whatever the kernel answers, rows before it are handed out and errors have
// names.
func TestAnswers(t *testing.T) {
	done := msg(nlmsg.TypeDone, 2, 0, 0, 0, 0)
	one := msg(getByFamily, 2, row(Listen)...)
	header := make([]byte, nlmsg.HeaderLen)
	ne.PutUint32(header, 30) // of the request, as it is repeated
	long := append(append([]byte{}, header...), make([]byte, 16)...)
	text := attr(errAttrMsg, []byte("no such thing\x00")...)
	for _, tt := range []struct {
		name string
		in   []byte
		recv error
		rows int
		want string // "" for none
		is   error
	}{
		{"nothing", done, nil, 0, "", nil},
		{"rows", join(one, one, done), nil, 2, "", nil},
		{"end without a number", join(one, msg(nlmsg.TypeDone, 2)), nil, 1, "", nil},
		{"end with a length", join(one, msg(nlmsg.TypeDone, 2, 100, 0, 0, 0)), nil, 1, "", nil},
		{"other answers", join(msgSeq(7, getByFamily, 2, row(Listen)...), msgSeq(7, nlmsg.TypeDone, 2), msg(nlmsg.TypeNoop, 0), one, done), nil, 1, "", nil},
		{"no handler, in the end", msg(nlmsg.TypeDone, 2, num(syscall.ENOENT)...), nil, 0,
			"sockdiag: udp sockets: not supported: the kernel has no handler for it (module udp_diag)", ErrNotSupported},
		{"no handler", msg(nlmsg.TypeError, 0, num(syscall.ENOENT)...), nil, 0,
			"sockdiag: udp sockets: not supported: the kernel has no handler for it (module udp_diag)", ErrNotSupported},
		{"no right", join(one, msg(nlmsg.TypeError, 0, num(syscall.EPERM)...)), nil, 1, "sockdiag: udp sockets: operation not permitted", syscall.EPERM},
		{"words", msg(nlmsg.TypeError, nlmsg.FlagAckTLVs, join(num(syscall.EINVAL), long, text)...), nil, 0, "sockdiag: udp sockets: invalid argument: no such thing", syscall.EINVAL},
		{"words, capped", msg(nlmsg.TypeError, nlmsg.FlagAckTLVs|nlmsg.FlagCapped, join(num(syscall.EINVAL), header, attr(2, 1, 0, 0, 0), text)...), nil, 0,
			"sockdiag: udp sockets: invalid argument: no such thing", syscall.EINVAL},
		{"words in the end", join(one, msg(nlmsg.TypeDone, nlmsg.FlagAckTLVs|2, join(num(syscall.ENOMEM), text)...)), nil, 1, "sockdiag: udp sockets: cannot allocate memory: no such thing", syscall.ENOMEM},
		{"words that are cut", msg(nlmsg.TypeError, nlmsg.FlagAckTLVs, join(num(syscall.EINVAL), long, text[:10])...), nil, 0, "sockdiag: udp sockets: invalid argument", syscall.EINVAL},
		{"interrupted", join(msg(getByFamily, 2|nlmsg.FlagDumpIntr, row(Listen)...), one, done), nil, 2, "sockdiag: udp sockets: " + ErrInterrupted.Error(), ErrInterrupted},
		{"overrun", join(one, msg(nlmsg.TypeOverrun, 0)), nil, 1, "sockdiag: udp sockets: " + ErrOverrun.Error(), ErrOverrun},
		{"no memory", one, syscall.ENOBUFS, 1, "sockdiag: udp sockets: " + ErrOverrun.Error(), ErrOverrun},
		{"no end", one, io.ErrUnexpectedEOF, 1, "sockdiag: udp sockets: unexpected EOF", io.ErrUnexpectedEOF},
		{"half a header", join(one, one[:10]), nil, 1, "sockdiag: udp sockets: netlink: offset 0: header: 10 of 16 bytes are there", nil},
		{"cut", join(one, one[:40]), nil, 1, "sockdiag: udp sockets: netlink: offset 0: length: 88, of a message in 40 bytes", nil},
		{"length 3", join(one, []byte{3, 0, 0, 0}, one[4:]), nil, 1, "sockdiag: udp sockets: netlink: offset 0: length: 3, of a message in 88 bytes", nil},
		{"short row", msg(getByFamily, 2, row(Listen)[:71]...), nil, 0, "sockdiag: udp sockets: netlink: offset 87: inet_diag_msg: message ends too early: 71 of 72 bytes", errShort},
		{"error without a number", msg(nlmsg.TypeError, 0, 1, 2), nil, 0, "sockdiag: udp sockets: netlink: offset 16: error: 2 of 4 bytes are there", nil},
		{"large", make([]byte, 40000), nil, 0, "sockdiag: udp sockets: netlink: offset 0: datagram: 40000 bytes do not fit into 32768", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := replayed(nil)
			c.sock = &replay{datagrams: [][]byte{tt.in}, err: tt.recv}
			rows, got := 0, error(nil)
			for s, err := range c.Inet(nil, Query{Protocol: UDP, Family: IPv4}) {
				if got != nil {
					t.Error("something after an error")
				}
				if got = err; err == nil {
					rows++
					if s.Src.String() != "127.0.0.1:8765" || s.State != Listen || s.Protocol != UDP {
						t.Errorf("%v %v %v", s.Src, s.State, s.Protocol)
					}
				} else if s != nil {
					t.Error("a socket with an error")
				}
			}
			text := ""
			if got != nil {
				text = got.Error()
			}
			if rows != tt.rows || text != tt.want || tt.is != nil && !errors.Is(got, tt.is) {
				t.Errorf("%d rows, %q; want %d, %q", rows, text, tt.rows, tt.want)
			}
			var oe *OpError
			if got != nil && (!errors.As(got, &oe) || oe.Op != "udp sockets") {
				t.Errorf("%T", got)
			}
		})
	}
}

// A kernel without the request for both families is asked for each.
func TestSeparateFamilies(t *testing.T) {
	r := &replay{datagrams: [][]byte{
		msgSeq(1, nlmsg.TypeError, 0, num(syscall.EINVAL)...),
		join(msgSeq(2, getByFamily, 2, row(Listen)...), msgSeq(2, nlmsg.TypeDone, 2, 0, 0, 0, 0)),
		join(msgSeq(3, getByFamily, 2, row(Listen)...), msgSeq(3, getByFamily, 2, row(Listen)...), msgSeq(3, nlmsg.TypeDone, 2, 0, 0, 0, 0)),
		join(msgSeq(4, nlmsg.TypeDone, 2)), join(msgSeq(5, nlmsg.TypeDone, 2)),
		join(msgSeq(6, nlmsg.TypeError, 0, num(syscall.EINVAL)...)),
	}}
	c := newConn(r)
	for _, want := range []struct{ rows, sent int }{{3, 3}, {0, 5}} {
		rows := 0
		for _, err := range c.Inet(nil, Query{Protocol: TCP}) {
			if err != nil {
				t.Fatal(err)
			}
			rows++
		}
		if rows != want.rows || r.sent != want.sent {
			t.Errorf("%d rows, %d requests; want %d, %d", rows, r.sent, want.rows, want.sent)
		}
	}
	for _, err := range c.Inet(nil, Query{Protocol: TCP}) {
		if !errors.Is(err, syscall.EINVAL) {
			t.Errorf("a bad request: %v", err)
		}
	}
}

// MPTCP of both families is asked for in the ways that kernels know.
func TestMPTCPBothFamilies(t *testing.T) {
	answer := func(seq uint32, rows int) (b []byte) {
		for range rows {
			b = append(b, msgSeq(seq, getByFamily, 2, row(Listen)...)...)
		}
		return append(b, msgSeq(seq, nlmsg.TypeDone, 2, 0, 0, 0, 0)...)
	}
	refuse := func(seq uint32, e syscall.Errno) []byte { return msgSeq(seq, nlmsg.TypeError, 0, num(e)...) }
	for _, tt := range []struct {
		name  string
		in    [][]byte
		types []uint16 // of the requests of two walks
		rows  int      // of the first
	}{
		{"Linux 5.9", [][]byte{answer(1, 2), answer(2, 0)}, []uint16{getDCCP, getDCCP}, 2},
		{"Linux 6.16", [][]byte{refuse(1, syscall.EINVAL), answer(2, 3), answer(3, 0)}, []uint16{getDCCP, getTCP, getTCP}, 3},
		{"neither", [][]byte{refuse(1, syscall.EINVAL), refuse(2, syscall.EINVAL), answer(3, 1), answer(4, 1), answer(5, 0), answer(6, 0)},
			[]uint16{getDCCP, getTCP, getByFamily, getByFamily, getByFamily, getByFamily}, 2},
		{"it is taken for DCCP", [][]byte{msgSeq(1, nlmsg.TypeDone, 2, num(syscall.ENOENT)...), answer(2, 1), answer(3, 1), answer(4, 0), answer(5, 0)},
			[]uint16{getDCCP, getByFamily, getByFamily, getByFamily, getByFamily}, 2},
	} {
		r := &replay{datagrams: tt.in}
		c := newConn(r)
		for walk, want := range []int{tt.rows, 0} {
			rows := 0
			for _, err := range c.Inet(nil, Query{Protocol: MPTCP}) {
				if err != nil {
					t.Fatalf("%s: %v", tt.name, err)
				}
				rows++
			}
			if rows != want {
				t.Errorf("%s: walk %d: %d rows, want %d", tt.name, walk, rows, want)
			}
		}
		if !slices.Equal(r.types, tt.types) {
			t.Errorf("%s: requests %v, want %v", tt.name, r.types, tt.types)
		}
	}
	c := newConn(&replay{datagrams: [][]byte{refuse(1, syscall.ENOENT), refuse(2, syscall.ENOENT)}})
	for _, err := range c.Inet(nil, Query{Protocol: MPTCP}) {
		if !errors.Is(err, ErrNotSupported) {
			t.Errorf("without MPTCP: %v", err)
		}
	}
}

// Attributes that are cut are named, count as absent, and leave the rest as it is.
func TestCut(t *testing.T) {
	shutdown := attr(uint16(AttrShutdown), 1)
	for _, tt := range []struct {
		name  string
		attrs []byte
		cut   string
		full  bool
	}{
		{"fine", shutdown, "", true},
		{"none", nil, "", false},
		{"too short", join(attr(uint16(AttrCgroupID), 1, 2, 3), shutdown), "INET_DIAG_CGROUP_ID", true},
		{"empty", join(attr(uint16(AttrShutdown)), attr(uint16(AttrMark), 1)), "INET_DIAG_SHUTDOWN", false},
		{"past the end", join(shutdown, []byte{9, 0, byte(AttrSockOpt), 0, 1, 2, 3, 4}), "INET_DIAG_SOCKOPT", true},
		{"unknown, past the end", join(shutdown, []byte{9, 0, 99, 0, 1, 2, 3, 4}), "unknown attribute", true},
		{"unknown", join(attr(99, 1), shutdown), "", true},
		{"nested", []byte{5, 0, byte(AttrShutdown), 0x80, 1, 0, 0, 0}, "", true},
		{"length 3", join([]byte{3, 0, byte(AttrMark), 0}, shutdown), "INET_DIAG_MARK", false},
		{"half a header", join(shutdown, []byte{8, 0}), "attribute header", true},
	} {
		var s Socket
		s.Cut = "something of before"
		if err := s.parse(row(Established, tt.attrs...)); err != nil || s.Cut != tt.cut || s.Full() != tt.full {
			t.Errorf("%s: %v, %q is cut, full %t; want %q %t", tt.name, err, s.Cut, s.Full(), tt.cut, tt.full)
		}
		if _, ok := s.CgroupID(); ok {
			t.Errorf("%s: a cgroup", tt.name)
		}
	}
}

// What older kernels do not send is zero, and told apart.
func TestTCPInfoLengths(t *testing.T) {
	full := make([]byte, 300)
	for i := range full {
		full[i] = 1
	}
	parts := []struct {
		part TCPInfoPart
		get  func(*TCPInfo) uint64
	}{
		{TCPInfoBase, func(i *TCPInfo) uint64 { return uint64(i.TotalRetrans) }},
		{TCPInfoPacing, func(i *TCPInfo) uint64 { return i.MaxPacingRate }},
		{TCPInfoBytes, func(i *TCPInfo) uint64 { return i.BytesReceived }},
		{TCPInfoSegs, func(i *TCPInfo) uint64 { return uint64(i.SegsIn) }},
		{TCPInfoMinRTT, func(i *TCPInfo) uint64 { return uint64(i.DataSegsOut) }},
		{TCPInfoDeliveryRate, func(i *TCPInfo) uint64 { return i.DeliveryRate }},
		{TCPInfoLimited, func(i *TCPInfo) uint64 { return uint64(i.SndbufLimited) }},
		{TCPInfoDelivered, func(i *TCPInfo) uint64 { return uint64(i.DeliveredCE) }},
		{TCPInfoRetrans, func(i *TCPInfo) uint64 { return uint64(i.ReordSeen) }},
		{TCPInfoSndWnd, func(i *TCPInfo) uint64 { return uint64(i.SndWnd) }},
		{TCPInfoRcvWnd, func(i *TCPInfo) uint64 { return uint64(i.Rehash) }},
		{TCPInfoTotalRTO, func(i *TCPInfo) uint64 { return uint64(i.TotalRTOTime) }},
		{TCPInfoAccECN, func(i *TCPInfo) uint64 { return uint64(i.ReceivedCEBytes) }},
	}
	for n := 8; n <= len(full); n += 4 {
		var s Socket
		if err := s.parse(row(Established, attr(uint16(AttrInfo), full[:n]...)...)); err != nil {
			t.Fatal(err)
		}
		s.Protocol = TCP
		var i TCPInfo
		if !s.TCPInfo(&i) || i.Len != n {
			t.Fatalf("%d bytes: %+v", n, i)
		}
		for _, p := range parts {
			has := n >= int(p.part)
			if i.Has(p.part) != has || (p.get(&i) != 0) != has {
				t.Errorf("%d bytes: part %d: %t, value %d", n, p.part, i.Has(p.part), p.get(&i))
			}
		}
	}
}

func TestTLSInfo(t *testing.T) {
	u16 := func(v uint16) []byte { return ne.AppendUint16(nil, v) }
	tls := join(attr(1, u16(0x304)...), attr(2, u16(51)...), attr(3, u16(2)...), attr(4, u16(1)...), attr(6))
	var s Socket
	if err := s.parse(row(Established, attr(uint16(AttrULPInfo), join(attr(ulpName, []byte("tls\x00")...), attr(ulpTLS, tls...))...)...)); err != nil {
		t.Fatal(err)
	}
	var i TLSInfo
	if want := (TLSInfo{Version: 0x304, Cipher: 51, TxConf: 2, RxConf: 1, NoPad: true}); !s.TLSInfo(&i) || i != want || s.ULP() != "tls" {
		t.Errorf("%q %+v", s.ULP(), i)
	}
	if s.Subflow(new(Subflow)) {
		t.Error("TLS is a subflow")
	}
}

// A row that the caller keeps must not change with the next one; a Clone's
// attributes must not either.
func TestClone(t *testing.T) {
	c := replayed(join(
		msg(getByFamily, 2, row(Established, attr(uint16(AttrMark), 1, 1, 1, 1)...)...),
		msg(getByFamily, 2, row(CloseWait, attr(uint16(AttrMark), 2, 2, 2, 2)...)...),
		msg(nlmsg.TypeDone, 2)))
	var kept []*Socket
	var own Socket
	for s, err := range c.Inet(&own, Query{Protocol: UDP, Family: IPv4}) {
		if err != nil {
			t.Fatal(err)
		}
		if s != &own {
			t.Error("not decoded into the caller's Socket")
		}
		kept = append(kept, s.Clone())
	}
	for i := range c.buf {
		c.buf[i] = 0xee
	}
	for i, s := range kept {
		if mark, ok := s.Mark(); !ok || mark != uint32(i+1)*0x01010101 || s.State == own.State == (i == 0) {
			t.Errorf("%d: mark %x %v", i, mark, s.State)
		}
	}
}

// The memory of a walk does not grow with the sockets.
func TestAllocs(t *testing.T) {
	for _, n := range []int{10, 10000} {
		c := replayed(manyRows(n))
		c.sock.(*replay).again = true
		var s Socket
		var info TCPInfo
		var flow Subflow
		rows := 0
		allocs := testing.AllocsPerRun(5, func() {
			c.seq, rows = 0, 0
			for s, err := range c.Inet(&s, Query{Protocol: TCP}) {
				if err != nil {
					t.Fatal(err)
				}
				rows++
				s.TCPInfo(&info)
				s.Subflow(&flow)
				_, _ = s.MemInfo()
				if s.Congestion() != "cubic" || s.ULP() != "mptcp" || info.BytesSent == 0 || flow.TokenLoc == 0 {
					t.Fatal("attributes are missing")
				}
			}
		})
		if rows != n || allocs > 4 {
			t.Errorf("%d rows: %v allocations for %d", n, allocs, rows)
		}
	}
}

// manyRows is an answer with n sockets that have all that is commonly asked for.
func manyRows(n int) []byte {
	info := make([]byte, tcpInfoLen)
	info[0], info[200] = 1, 1
	token := attr(uint16(ulpMPTCP), attr(subTokenLoc, 1, 2, 3, 4)...)
	one := msg(getByFamily, 2, row(Established,
		join(attr(uint16(AttrShutdown), 0), attr(uint16(AttrCgroupID), make([]byte, 8)...), attr(uint16(AttrSockOpt), 0, 0),
			attr(uint16(AttrInfo), info...), attr(uint16(AttrSKMemInfo), make([]byte, 36)...), attr(uint16(AttrCong), []byte("cubic\x00")...),
			attr(uint16(AttrULPInfo), join(attr(ulpName, []byte("mptcp\x00")...), token)...))...)...)
	var all []byte
	for range n {
		all = append(all, one...)
	}
	return append(all, msg(nlmsg.TypeDone, 2, 0, 0, 0, 0)...)
}

// plainRows is an answer with n sockets of which nothing was asked for.
func plainRows(n int) []byte {
	one := msg(getByFamily, 2, row(Established,
		join(attr(uint16(AttrShutdown), 0), attr(uint16(AttrPad)), attr(uint16(AttrCgroupID), make([]byte, 8)...), attr(uint16(AttrSockOpt), 0, 0))...)...)
	var all []byte
	for range n {
		all = append(all, one...)
	}
	return append(all, msg(nlmsg.TypeDone, 2, 0, 0, 0, 0)...)
}

func BenchmarkWalk(b *testing.B) {
	for _, bb := range []struct {
		name string
		in   []byte
		full bool
	}{{"plain", plainRows(10000), false}, {"located", manyRows(10000), false}, {"decoded", manyRows(10000), true}} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			c := replayed(bb.in)
			c.sock.(*replay).again = true
			var s Socket
			var info TCPInfo
			var flow Subflow
			var mem MemInfo
			for b.Loop() {
				c.seq = 0
				for s, err := range c.Inet(&s, Query{Protocol: TCP}) {
					if err != nil {
						b.Fatal(err)
					}
					if bb.full {
						s.TCPInfo(&info)
						s.Subflow(&flow)
						mem, _ = s.MemInfo()
						_ = s.Congestion()
					}
				}
			}
			_ = mem
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10000, "ns/socket")
		})
	}
}

func TestNames(t *testing.T) {
	for want, got := range map[string]fmt.Stringer{
		"tcp": TCP, "mptcp": MPTCP, "raw": Raw, "99": Protocol(99), "inet6": IPv6, "unix": Unix,
		"ESTABLISHED": Established, "CLOSE": CloseState, "BOUND_INACTIVE": BoundInactive, "state 0": State(0), "state 14": State(14),
		"persist": TimerProbe, "9": Timer(9), "seqpacket": SeqPacket, "Mmec": SubflowMCapRem | SubflowMCapLoc | SubflowFullyEstablished | SubflowConnected,
	} {
		if got.String() != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if AllStates.Has(BoundInactive) || !AllStates.Has(Closing) || !AllStates.Has(Established) {
		t.Errorf("AllStates is %b", AllStates)
	}
}
