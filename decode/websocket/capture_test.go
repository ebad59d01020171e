package websocket

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"testing"

	"framescope/decode"
	"framescope/decode/http1"
)

// A small reader of captures, made for the recordings: it puts the segments of
// a whole file in order, the first of what was sent twice.

type segment struct {
	seq     uint32
	data    []byte
	wire    int // payload bytes on the wire
	syn     bool
	fin     bool
	origin  decode.Origin
	at, end int64 // unwrapped
}

// A conversation is one TCP connection; side 0 is the one that spoke first.
type conversation struct {
	addr [2]netip.AddrPort
	segs [2][]segment
}

func readCapture(t testing.TB, b []byte) []*conversation {
	t.Helper()
	if len(b) > 2 && b[0] == 0x1f && b[1] == 0x8b {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if b, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	r := &captureReader{byKey: map[[2]netip.AddrPort]*conversation{}}
	if len(b) >= 4 && binary.LittleEndian.Uint32(b) == 0x0a0d0d0a {
		r.pcapng(t, b)
	} else {
		r.pcap(t, b)
	}
	return r.list
}

type captureReader struct {
	byKey map[[2]netip.AddrPort]*conversation
	list  []*conversation
	n     int64
}

func (r *captureReader) pcap(t testing.TB, b []byte) {
	var e binary.ByteOrder = binary.LittleEndian
	unit := int64(1000)
	switch binary.LittleEndian.Uint32(b) {
	case 0xa1b2c3d4:
	case 0xa1b23c4d:
		unit = 1
	case 0xd4c3b2a1:
		e = binary.BigEndian
	default:
		t.Fatalf("no capture: % x", b[:4])
	}
	link := e.Uint32(b[20:])
	for b = b[24:]; len(b) >= 16; {
		n := int(e.Uint32(b[8:]))
		if n > len(b)-16 {
			break // the file is cut
		}
		r.packet(link, int64(e.Uint32(b))*1e9+int64(e.Uint32(b[4:]))*unit, b[16:16+n])
		b = b[16+n:]
	}
}

func (r *captureReader) pcapng(t testing.TB, b []byte) {
	e := binary.LittleEndian
	var links []uint32
	for len(b) >= 12 {
		n := int(e.Uint32(b[4:]))
		if n < 12 || n > len(b) {
			break
		}
		switch body := b[8 : n-4]; e.Uint32(b) {
		case 1:
			links = append(links, uint32(e.Uint16(body)))
		case 6:
			r.packet(links[e.Uint32(body)], int64(e.Uint32(body[4:]))<<32|int64(e.Uint32(body[8:])), body[20:20+e.Uint32(body[12:])])
		}
		b = b[n:]
	}
}

func (r *captureReader) packet(link uint32, time int64, p []byte) {
	r.n++
	kind := uint16(0x800)
	switch link {
	case 0:
		if len(p) < 4 {
			return
		}
		p = p[4:]
	case 1, 113:
		n := 14
		if link == 113 {
			n = 16
		}
		if len(p) < n {
			return
		}
		kind, p = binary.BigEndian.Uint16(p[n-2:]), p[n:]
		for kind == 0x8100 && len(p) >= 4 {
			kind, p = binary.BigEndian.Uint16(p[2:]), p[4:]
		}
	case 276:
		if len(p) < 20 {
			return
		}
		kind, p = binary.BigEndian.Uint16(p), p[20:]
	}
	var src, dst netip.Addr
	var total, hdr int
	switch {
	case kind == 0x86dd || len(p) > 0 && p[0]>>4 == 6 && len(p) >= 40:
		if p[6] != 6 {
			return
		}
		src, dst = netip.AddrFrom16([16]byte(p[8:24])), netip.AddrFrom16([16]byte(p[24:40]))
		hdr, total = 40, 40+int(binary.BigEndian.Uint16(p[4:]))
	case len(p) >= 20 && p[0]>>4 == 4:
		if p[9] != 6 {
			return
		}
		src, dst = netip.AddrFrom4([4]byte(p[12:16])), netip.AddrFrom4([4]byte(p[16:20]))
		hdr, total = int(p[0]&15)*4, int(binary.BigEndian.Uint16(p[2:]))
	default:
		return
	}
	if len(p) < hdr+20 {
		return
	}
	p = p[:min(len(p), total)]
	tcp := p[hdr:]
	off := int(tcp[12]>>4) * 4
	a := netip.AddrPortFrom(src, binary.BigEndian.Uint16(tcp))
	b := netip.AddrPortFrom(dst, binary.BigEndian.Uint16(tcp[2:]))
	c, side := r.byKey[[2]netip.AddrPort{a, b}], 0
	if c == nil {
		if c = r.byKey[[2]netip.AddrPort{b, a}]; c != nil {
			side = 1
		}
	}
	flags := tcp[13]
	if c == nil || flags&0x12 == 2 && slices.ContainsFunc(c.segs[side], func(s segment) bool { return s.fin }) {
		c, side = &conversation{addr: [2]netip.AddrPort{a, b}}, 0
		r.byKey[[2]netip.AddrPort{a, b}] = c
		delete(r.byKey, [2]netip.AddrPort{b, a})
		r.list = append(r.list, c)
	}
	s := segment{seq: binary.BigEndian.Uint32(tcp[4:]), wire: total - hdr - off, syn: flags&2 != 0, fin: flags&1 != 0,
		origin: decode.Origin{Packet: r.n, Time: time}}
	if len(tcp) > off {
		s.data = tcp[off:]
	}
	if s.wire > 0 || s.syn || s.fin {
		c.segs[side] = append(c.segs[side], s)
	}
}

// A piece is a run of stream bytes, or a gap of n.
type piece struct {
	data   []byte
	gap    int64
	start  bool
	origin decode.Origin
}

// stream puts one direction in order. fin says that its sender closed it.
func (c *conversation) stream(side int) (ps []piece, fin bool) {
	segs := slices.Clone(c.segs[side])
	if len(segs) == 0 {
		return nil, false
	}
	base := segs[0].seq
	for i := range segs {
		if segs[i].syn {
			base = segs[i].seq + 1
			segs[i].seq++
		}
	}
	for i := range segs {
		s := &segs[i]
		s.at = int64(int32(s.seq - base))
		s.end = s.at + int64(s.wire)
		fin = fin || s.fin
	}
	next := segs[0].at
	for i := range segs {
		next = min(next, segs[i].at)
	}
	if segs[0].syn || next < 0 {
		next = max(next, 0)
	}
	slices.SortStableFunc(segs, func(a, b segment) int { return int(a.at - b.at) })
	for _, s := range segs {
		if s.end <= next || s.wire == 0 {
			continue
		}
		if s.at > next {
			ps = append(ps, piece{gap: s.at - next, origin: s.origin})
			next = s.at
		}
		if cut := int(next - s.at); cut < len(s.data) {
			ps = append(ps, piece{data: s.data[cut:], start: cut == 0, origin: s.origin})
			next += int64(len(s.data) - cut)
		}
		if s.end > next { // the snapshot length
			ps = append(ps, piece{gap: s.end - next, origin: s.origin})
			next = s.end
		}
	}
	return ps, fin
}

// A session is what a conversation comes to.
type session struct {
	hs     Handshake
	all    []Handshake // on one connection, one after the other
	path   string
	status int
	side   [3]*recorder // by Role
}

// decode takes the heads off and follows both sides.
func (c *conversation) decode(t testing.TB, cfg *Config) *session {
	t.Helper()
	s := new(session)
	var ps [2][]piece
	var fin [2]bool
	client, midstream := 0, true
	for i := range ps {
		ps[i], fin[i] = c.stream(i)
		switch http1.Sniff(first(ps[i])) {
		case http1.RequestHead:
			client, midstream = i, false
		case http1.ResponseHead:
			client, midstream = 1-i, false
		}
	}
	var x Exchange
	var off [2]int64
	for !midstream {
		x = Exchange{}
		if head := c.head(&ps[client], &off[client], http1.RequestHead); head != nil {
			x.Request = new(http1.Request)
			if _, err := http1.ParseRequest(head, x.Request); err != nil {
				t.Fatal(err)
			}
			s.path = string(x.Request.Target)
		}
		for {
			head := c.head(&ps[1-client], &off[1-client], http1.ResponseHead)
			if head == nil {
				break
			}
			x.Response = new(http1.Response)
			if _, err := http1.ParseResponse(head, x.Response); err != nil {
				t.Fatal(err)
			}
			s.status = x.Response.Status
			if x.Response.Status >= 200 || x.Response.Status == 101 {
				x.Body = first(ps[1-client])
				break
			}
			x.Informational = true
		}
		s.hs = CheckHandshake(x)
		s.all = append(s.all, s.hs)
		if http1.Sniff(first(ps[client])) != http1.RequestHead || s.status != 101 {
			break
		}
	}
	if !midstream && s.status != 101 && (x.Response != nil || !s.hs.Meant) {
		return s
	}
	var sides [2]*Side
	for i := range ps {
		if len(ps[i]) == 0 {
			continue
		}
		role, deflate := Server, s.hs.Server
		if i == client {
			role, deflate = Client, s.hs.Client
		}
		side := &Side{Config: cfg, Role: role, Start: off[i], Compression: s.hs.Compression(), Deflate: deflate}
		if midstream {
			side.Role, side.Search = UnknownRole, true
		}
		sides[i] = side
		s.side[role] = &recorder{}
	}
	for i := range sides {
		if r := s.recorder(i == client); r != nil {
			r.peer = sides[1-i]
		}
	}
	for len(ps[0])+len(ps[1]) > 0 { // in the order of the capture
		i := 0
		if len(ps[0]) == 0 || len(ps[1]) > 0 && ps[1][0].origin.Packet < ps[0][0].origin.Packet {
			i = 1
		}
		p := ps[i][0]
		ps[i] = ps[i][1:]
		if p.gap > 0 {
			sides[i].Gap(p.gap, p.origin, s.recorder(i == client))
		} else {
			sides[i].Data(p.data, p.start, p.origin, s.recorder(i == client))
		}
	}
	for i := range sides {
		if sides[i] != nil {
			sides[i].End(fin[i], s.recorder(i == client))
		}
	}
	return s
}

// head takes a head of that kind off the pieces, or returns nil.
func (c *conversation) head(ps *[]piece, off *int64, kind http1.Kind) []byte {
	if http1.Sniff(first(*ps)) != kind {
		return nil
	}
	head, rest, ok := cutHead(*ps)
	if !ok {
		*ps = nil
		return nil
	}
	*ps = rest
	*off += int64(len(head))
	return head
}

func (s *session) recorder(client bool) *recorder {
	if client {
		return s.side[Client]
	}
	return s.side[Server]
}

func first(ps []piece) []byte {
	if len(ps) == 0 {
		return nil
	}
	return ps[0].data
}

// cutHead takes a head off the pieces.
func cutHead(ps []piece) (head []byte, rest []piece, ok bool) {
	for i, p := range ps {
		if p.gap > 0 {
			return nil, nil, false
		}
		old := len(head)
		head = append(head, p.data...)
		if n := http1.FindEnd(head, old); n > 0 {
			if n < len(head) {
				p.data, p.start = p.data[n-old:], false
				return head[:n], append([]piece{p}, ps[i+1:]...), true
			}
			return head[:n], ps[i+1:], true
		}
	}
	return nil, nil, false
}

// A recorder writes down what a Side finds.
type recorder struct {
	peer     *Side // is told of close frames
	frames   []Frame
	messages []Message
	skipped  []Skipped
	log      []string
}

func (r *recorder) Frame(f *Frame) {
	c := *f
	c.Payload, c.Close.Reason = bytes.Clone(f.Payload), bytes.Clone(f.Close.Reason)
	r.frames = append(r.frames, c)
	if r.peer != nil && f.Header.Opcode == Close {
		r.peer.PeerClosed()
	}
	r.log = append(r.log, describeFrame(f))
}

func (r *recorder) Message(m *Message) {
	c := *m
	c.Payload, c.SHA256 = bytes.Clone(m.Payload), bytes.Clone(m.SHA256)
	r.messages = append(r.messages, c)
	r.log = append(r.log, describeMessage(m))
}

func (r *recorder) Skipped(k *Skipped) {
	r.skipped = append(r.skipped, *k)
	r.log = append(r.log, describeSkipped(k))
}

func describeFrame(f *Frame) string {
	s := fmt.Sprintf("frame %d %s len %d", f.Off, f.Header.Opcode, f.Header.Length)
	if f.Header.Fin {
		s += " fin"
	}
	s += fmt.Sprintf(" captured %d lost %d ended %v message %s packets %d-%d payload %q text %v more %v",
		f.Captured, f.Lost, f.Ended, f.Message, f.First.Packet, f.Last.Packet, f.Payload, f.Text, f.More)
	if f.Header.Opcode == Close {
		s += fmt.Sprintf(" close %d %q %v", f.Close.Code, f.Close.Reason, f.Close.Malformed)
	}
	for id := range f.Issues.All() {
		s += " " + id.String() + " (" + f.Evidence(id) + ")"
	}
	return s
}

func describeMessage(m *Message) string {
	s := fmt.Sprintf("message %d %s bytes %d wire %d frames %d compressed %v complete %v %q sha %x packets %d-%d payload %q text %v more %v",
		m.Off, m.Opcode, m.Bytes, m.Wire, m.Frames, m.Compressed, m.Complete, m.Cause, m.SHA256, m.First.Packet, m.Last.Packet, m.Payload, m.Text, m.More)
	for id := range m.Issues.All() {
		s += " " + id.String()
	}
	return s
}

func describeSkipped(k *Skipped) string {
	return fmt.Sprintf("skipped %d bytes %d missing %d packets %d-%d %q %v", k.Off, k.Bytes, k.Missing, k.First.Packet, k.Last.Packet, k.Cause, k.Err)
}
