package framing

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"framescope/decode"
	"framescope/decode/frame"
)

// A transcript is all that a Decoder says about a stream, in a form that
// compares, and checks what must hold for every chunk.
type transcript struct {
	t       testing.TB
	d       Decoder
	text    strings.Builder
	payload []byte
	inside  bool
	off     int64
	frames  int
	errs    []error
	checks  []Check
	bodies  []string
	kinds   []string
}

func (r *transcript) chunk(c *Chunk) {
	r.t.Helper()
	if c.First == r.inside {
		r.t.Fatalf("chunk at %d: First is %v inside a frame: %v", c.Off, c.First, r.inside)
	}
	if c.First {
		r.frames++
		r.payload = r.payload[:0]
		r.off = c.HeaderOff
		fmt.Fprintf(&r.text, "frame at %d: %s %x %d %d\n", c.HeaderOff, c.Header.Kind(), c.Header.Raw(), c.Header.Length, c.Header.Trailer)
		if len(c.Header.Raw()) != c.Header.Size {
			r.t.Fatalf("header of %d bytes, size %d", len(c.Header.Raw()), c.Header.Size)
		}
		if fields := c.Header.AppendFields(nil); !littleBits(r.d.Framing) {
			checkFields(r.t, fields, c.Header.Size)
		}
	}
	if c.HeaderOff != r.off || c.Pos != int64(len(r.payload)) || c.Off != r.off+int64(c.Header.Size)+c.Pos {
		r.t.Fatalf("chunk %+v does not continue %d bytes at %d", c, len(r.payload), r.off)
	}
	r.payload = append(r.payload, c.Data...)
	for range c.Lost {
		r.payload = append(r.payload, '?')
	}
	if c.Header.Length >= 0 && int64(len(r.payload)) > c.Header.Length {
		r.t.Fatalf("%d bytes of a payload of %d", len(r.payload), c.Header.Length)
	}
	r.inside = !c.Last
	if c.Last {
		if c.Header.Length >= 0 && int64(len(r.payload)) != c.Header.Length || len(c.Trailer) != c.Header.Trailer {
			r.t.Fatalf("%d bytes of a payload of %d, %d of a trailer of %d", len(r.payload), c.Header.Length, len(c.Trailer), c.Header.Trailer)
		}
		fmt.Fprintf(&r.text, "payload %x trailer %x at %d checks %+v\n", r.payload, c.Trailer, c.TrailerOff, c.Checks)
		c.Header.AppendPayloadFields(nil, r.payload)
		c.Header.AppendTrailerFields(nil, c.Trailer)
		r.checks = append(r.checks, c.Checks...)
		r.bodies = append(r.bodies, string(r.payload))
		r.kinds = append(r.kinds, c.Header.Kind())
	}
}

// littleBits reports whether parts of a number are scattered over its bytes.
func littleBits(f *Framing) bool {
	for _, v := range f.variants {
		for _, f := range v.fields {
			if f.little && f.size > 1 && len(f.bits) > 0 {
				return true
			}
		}
	}
	return false
}

// checkFields: the fields cover each bit of a header once.
func checkFields(t testing.TB, fields []Field, size int) {
	t.Helper()
	covered := make([]int, 8*size)
	for _, f := range fields {
		if f.Off < 0 || f.Len < 1 || f.Off+f.Len > size || f.Name == "" {
			t.Fatalf("field %+v of a header of %d bytes", f, size)
		}
		if f.Group {
			continue // its parts count
		}
		from, n := 8*f.Off+f.Bit, f.Bits
		if n == 0 {
			n = 8 * f.Len
		}
		for i := from; i < from+n; i++ {
			covered[i]++
		}
	}
	for i, n := range covered {
		if n != 1 {
			t.Fatalf("bit %d is in %d fields: %+v", i, n, fields)
		}
	}
}

func (r *transcript) feed(b []byte) {
	r.t.Helper()
	before := bytes.Clone(b)
	for c, err := range r.d.Decode(b) {
		if err != nil {
			if c != nil {
				r.t.Fatal("a chunk and an error")
			}
			r.fault(err)
			continue
		}
		r.chunk(c)
	}
	if !bytes.Equal(before, b) {
		r.t.Fatal("Decode changed its input")
	}
	if held := len(r.d.pre) - r.d.preAt + len(r.d.d.Partial()); held > r.d.Framing.MaxHeader()+64 {
		r.t.Fatalf("%d bytes are held, the longest header has %d", held, r.d.Framing.MaxHeader())
	}
	if len(r.d.trailer) > maxTrailer+maxAlign {
		r.t.Fatalf("%d bytes of a trailer are held", len(r.d.trailer))
	}
}

func (r *transcript) fault(err error) {
	var e *decode.Error
	if !errors.As(err, &e) || e.Layer == "" || e.Layer == "frame" {
		r.t.Fatalf("%v is no error of the framing", err)
	}
	if r.inside {
		fmt.Fprintf(&r.text, "payload so far %x\n", r.payload)
	}
	r.inside = false
	r.errs = append(r.errs, err)
	fmt.Fprintf(&r.text, "%v\n", err)
}

func (r *transcript) gap(n int64) {
	c, err := r.d.Gap(n)
	if c != nil {
		r.chunk(c)
	}
	if err != nil && (len(r.errs) == 0 || r.errs[len(r.errs)-1] != err) {
		r.fault(err)
	}
}

func (r *transcript) close() string {
	err := r.d.Close()
	if r.inside {
		fmt.Fprintf(&r.text, "payload at the end %x\n", r.payload)
	}
	fmt.Fprintf(&r.text, "end: %v\n", err)
	return r.text.String()
}

func newTranscript(t testing.TB, f *Framing, from Direction) *transcript {
	return &transcript{t: t, d: Decoder{Framing: f, From: from, Resync: true}}
}

// cutUp feeds b in pieces; gapAt, if not negative, is where gap bytes are
// missing behind.
func cutUp(t testing.TB, f *Framing, from Direction, b, cuts []byte, gapAt, gap int) string {
	r := newTranscript(t, f, from)
	for at, i := 0, 0; at < len(b); i++ {
		n := len(b)
		if len(cuts) > 0 {
			n = 1 + int(cuts[i%len(cuts)])
		}
		n = min(n, len(b)-at)
		if gap > 0 && at <= gapAt && at+n > gapAt {
			r.feed(b[at:gapAt])
			r.gap(int64(gap))
			r.feed(b[gapAt : at+n])
		} else {
			r.feed(b[at : at+n])
		}
		at += n
	}
	return r.close()
}

func builtin(t testing.TB, name string, o Options) *Framing {
	t.Helper()
	f, err := Builtin(name, o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func spec(t testing.TB, src string) *Framing {
	t.Helper()
	f, err := Parse([]byte(src), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func crcFrame(b []byte, payload string, wrong uint32) []byte {
	b = binary.BigEndian.AppendUint32(b, 0xCAFEBABE)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	b = append(b, payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE([]byte(payload))^wrong)
}

// streams are valid streams of the framings that are built in, as their
// specifications write them.
var streams = map[string][]string{
	"length32":           {"\x00\x00\x00\x05hello\x00\x00\x00\x00\x00\x00\x00\x01x"},
	"magic-length-crc32": {string(crcFrame(crcFrame(nil, "hello", 0), "", 0))},
	"length16-json":      {"\x00\x18{\"content-length\": 5 }  hello\x00\x1c{\"a\":[1],\"content-length\":0}"},
	"websocket": {"\x81\x05Hello\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x01\x03Hel\x80\x02lo\x89\x05Hello\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
		"GET /chat HTTP/1.1\r\nHost: a\r\n\r\n\x81\x05Hello\x88\x02\x03\xe8"},
	"http1": {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=1\r\nabc\r\n0\r\nT: 1\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\nuntil the end"},
	"http2":   {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00d\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x03\x00\x01\x80\x00\x00\x01abc"},
	"tls":     {"\x16\x03\x01\x00\x05\x01\x00\x00\x01x\x15\x03\x03\x00\x02\x01\x00"},
	"amqp":    {"AMQP\x00\x00\x09\x01\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x0b\xce\x08\x00\x00\x00\x00\x00\x00\xce"},
	"zmtp":    {"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x01NULL" + strings.Repeat("\x00", 48) + "\x04\x06\x05READY\x01\x02hi\x02\x00\x00\x00\x00\x00\x00\x00\x03abc"},
	"mqtt":    {"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04abcd\x30\x05\x00\x01txy\xe0\x00"},
	"grpc":    {"\x00\x00\x00\x00\x03abc\x01\x00\x00\x00\x00"},
	"netlink": {"\x15\x00\x00\x00\x10\x00\x01\x00\x01\x00\x00\x00\x02\x00\x00\x00hello\x00\x00\x00\x10\x00\x00\x00\x03\x00\x02\x00\x01\x00\x00\x00\x02\x00\x00\x00"},
	"postgresql": {"\x00\x00\x00\x08\x04\xd2\x16\x2f\x00\x00\x00\x09\x00\x03\x00\x00\x00Q\x00\x00\x00\x0dSELECT 1\x00X\x00\x00\x00\x04",
		"R\x00\x00\x00\x08\x00\x00\x00\x00S\x00\x00\x00\x08a\x00b\x00Z\x00\x00\x00\x05IE\x00\x00\x00\x1aSERROR\x00VERROR\x00C42P01\x00\x00"},
	"redis": {"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2\r\n\r\n\r\n$-1\r\n$0\r\n\r\n+OK\r\n-ERR x\r\n:-12\r\nPING\r\n",
		"_\r\n#t\r\n,1.5\r\n(123\r\n!5\r\nERR x\r\n=6\r\ntxt:hi\r\n%1\r\n~2\r\n>3\r\n|1\r\n"},
	"dns-tcp": {"\x00\x0c\x12\x34\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
}

// Every framing that is built in reads streams of its protocol to their end, cut
// at every place.
func TestStreams(t *testing.T) {
	for _, name := range Names() {
		if len(streams[name]) == 0 {
			t.Errorf("no stream for %s", name)
		}
		for _, s := range streams[name] {
			f := builtin(t, name, Options{})
			whole := cutUp(t, f, Either, []byte(s), nil, 0, 0)
			if !strings.HasSuffix(whole, "end: <nil>\n") || strings.Contains(whole, ": offset") {
				t.Errorf("%s:\n%s", name, whole)
			}
			for cut := 1; cut < len(s); cut++ {
				r := newTranscript(t, f, Either)
				r.feed([]byte(s[:cut]))
				r.feed([]byte(s[cut:]))
				if got := r.close(); got != whole {
					t.Fatalf("%s, cut at %d:\n%s\nwhole:\n%s", name, cut, got, whole)
				}
			}
		}
	}
}

func TestKinds(t *testing.T) {
	for name, want := range map[string]string{
		"http2": "PREFACE SETTINGS WINDOW_UPDATE DATA", "mqtt": "CONNECT PUBLISH DISCONNECT", "zmtp": "greeting command message message",
		"tls": "handshake alert", "amqp": "protocol-header method heartbeat", "netlink": "RTM_NEWLINK NLMSG_DONE",
		"websocket": "text text text continuation ping pong", "http1": "request request", "length32": "  ", "postgresql": "SSLRequest StartupMessage Query Terminate",
		"redis": "array string string string null string string simple string error integer inline command",
	} {
		r := newTranscript(t, builtin(t, name, Options{}), Either)
		r.feed([]byte(streams[name][0]))
		if got := strings.Join(r.kinds, " "); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// A declared framing with a magic goes on at the next one; what it says about
// where it went wrong is exact.
func TestResync(t *testing.T) {
	f := builtin(t, "magic-length-crc32", Options{Max: 65536})
	var b []byte
	b = crcFrame(b, "first", 0)
	b = crcFrame(b, "wrong sum", 1)
	bad := len(b)
	b = binary.BigEndian.AppendUint32(b, 0xCAFEBABE)
	b = binary.BigEndian.AppendUint32(b, 70000)
	b = append(b, "xyz\xca\xfe\xba"...)
	third := len(b)
	b = crcFrame(b, "third", 0)
	b = append(b, "garbage"...)
	garbage := len(b) - 7
	b = crcFrame(b, "fourth", 0)
	for cut := 0; cut < len(b); cut++ {
		r := newTranscript(t, f, Either)
		r.feed(b[:cut])
		r.feed(b[cut:])
		r.close()
		if got := strings.Join(r.bodies, ","); got != "first,wrong sum,third,fourth" {
			t.Fatalf("cut at %d: %s\n%s", cut, got, r.text.String())
		}
		if !r.checks[0].OK() || r.checks[1].OK() || !r.checks[2].OK() {
			t.Fatalf("%+v", r.checks)
		}
		want := fmt.Sprintf("magic-length-crc32: offset %d: payload length: 70000 exceeds max 65536", bad+4)
		if len(r.errs) != 2 || r.errs[0].Error() != want || Extent(r.errs[0]) != 4 {
			t.Fatalf("cut at %d: %v", cut, r.errs)
		}
		want = fmt.Sprintf("magic-length-crc32: offset %d: magic: found \"garb\", expected ca fe ba be", garbage)
		if r.errs[1].Error() != want {
			t.Fatalf("cut at %d: %v", cut, r.errs[1])
		}
	}
	_ = third
	if err := (&Check{Name: "crc32", Off: 9, Len: 4, Found: 1, Computed: 2}).Err(f); err.Error() != "magic-length-crc32: offset 9: crc32: found 0x00000001, expected 0x00000002" {
		t.Error(err)
	}
}

// What the first bytes chose stays chosen, wherever the input is cut.
func TestCommit(t *testing.T) {
	for name, s := range map[string]string{
		"http2": "PRI * HTTP/2.0\r\nxx and more than a frame", "zmtp": "\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"amqp": "AMQX\x01\x00\x00\x00\x00\x00\x00\xce", "websocket": "GEX /chat HTTP/1.1\r\n\r\n",
	} {
		f := builtin(t, name, Options{})
		whole := cutUp(t, f, Either, []byte(s), nil, 0, 0)
		for i := range 20 {
			if cut := cutUp(t, f, Either, []byte(s), []byte{byte(i)}, 0, 0); cut != whole {
				t.Fatalf("%s cut by %d:\n%s\nwhole:\n%s", name, i+1, cut, whole)
			}
		}
	}
}

// Without Resync an error is the last thing a Decoder says, until Skip.
func TestSkip(t *testing.T) {
	f := builtin(t, "magic-length-crc32", Options{})
	good := crcFrame(nil, "ok", 0)
	b := append([]byte("nothing of the kind"), good...)
	for cut := 0; cut <= len(b); cut++ {
		d := Decoder{Framing: f}
		var texts []string
		for _, part := range [][]byte{b[:cut], b[cut:]} {
			for len(part) > 0 {
				c, n, err := d.Next(part)
				part = part[n:]
				if err != nil {
					if _, _, again := d.Next(part); again != err {
						t.Fatalf("%v, then %v", err, again)
					}
					n, _ := d.Skip(part)
					part = part[n:]
				} else if c == nil {
					break
				} else if c.Last {
					texts = append(texts, fmt.Sprint(c.HeaderOff, c.Checks[0].OK()))
				}
			}
		}
		if fmt.Sprint(texts) != "[19 true]" || d.Close() != nil {
			t.Fatalf("cut at %d: %v, %v", cut, texts, d.Close())
		}
	}
	var none Decoder
	none.Framing = builtin(t, "length16-json", Options{})
	for _, err := range none.Decode([]byte("\x00\x04nope")) {
		if err == nil {
			t.Fatal("no error")
		}
	}
	if n, found := none.Skip([]byte("abc")); n != 3 || found {
		t.Error(n, found)
	}
	if _, err := (&Decoder{Framing: none.Framing}).Gap(0); err != nil {
		t.Error(err)
	}
}

func TestGap(t *testing.T) {
	f := builtin(t, "magic-length-crc32", Options{})
	b := crcFrame(crcFrame(crcFrame(nil, "first payload", 0), "second", 0), "third", 0)
	r := newTranscript(t, f, Either)
	r.feed(b[:10])
	r.gap(5)
	r.feed(b[15:])
	r.close()
	if len(r.errs) != 0 || r.bodies[0] != "fi?????ayload" || !r.checks[0].Unknown || !r.checks[0].OK() || !r.checks[1].OK() || r.checks[1].Unknown {
		t.Error(r.text.String())
	}
	r = newTranscript(t, f, Either)
	r.feed(b[:10])
	r.gap(20) // into the second header
	r.feed(b[30:])
	r.close()
	if len(r.errs) != 1 || !errors.Is(r.errs[0], frame.ErrLost) || r.bodies[len(r.bodies)-1] != "third" || len(r.bodies) != 2 {
		t.Error(r.text.String())
	}
	r = newTranscript(t, f, Either)
	r.feed(b[:20])
	r.gap(5) // the end of the payload and all of the trailer
	r.feed(b[25:])
	r.close()
	if len(r.errs) != 0 || len(r.bodies) != 3 || !r.checks[0].Unknown {
		t.Error(r.text.String())
	}
}

func TestClose(t *testing.T) {
	for _, row := range []struct{ name, stream, want string }{
		{"length32", "\x00\x00\x00\x05hel", "length32: offset 7: payload: the stream ends here, 2 bytes missing"},
		{"length32", "\x00\x00\x00", "length32: offset 3: header: the stream ends inside a header, behind 3 bytes of it"},
		{"magic-length-crc32", "\xca\xfe\xba\xbe\x00\x00\x00\x01x\x01", "magic-length-crc32: offset 10: trailer: the stream ends here, 3 bytes missing"},
		{"http1", "HTTP/1.1 200 OK\r\n\r\nall of it", ""},
	} {
		d := Decoder{Framing: builtin(t, row.name, Options{})}
		for _, err := range d.Decode([]byte(row.stream)) {
			if err != nil {
				t.Fatal(err)
			}
		}
		err := d.Close()
		if got := fmt.Sprint(err); row.want != "" && (got != row.want || !errors.Is(err, io.ErrUnexpectedEOF)) || row.want == "" && err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

func TestAppendPayload(t *testing.T) {
	d := Decoder{Framing: builtin(t, "websocket", Options{})}
	var got []byte
	for _, b := range []string{"\x81\x85\x37\xfa\x21\x3d\x7f", "\x9f\x4d\x51", "\x58"} {
		for c, err := range d.Decode([]byte(b)) {
			if err != nil {
				t.Fatal(err)
			}
			got = c.AppendPayload(got)
		}
	}
	if string(got) != "Hello" {
		t.Errorf("%q", got)
	}
}

// Decoding allocates nothing once it runs.
func TestAllocs(t *testing.T) {
	for _, name := range Names() {
		f := builtin(t, name, Options{})
		s := []byte(streams[name][0])
		d := Decoder{Framing: f}
		step := func() {
			for i := 0; i < len(s); i += 7 {
				for _, err := range d.Decode(s[i:min(i+7, len(s))]) {
					if err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		step()
		if n := testing.AllocsPerRun(20, step); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// FuzzBuiltin: the result does not depend on where the input was cut.
func FuzzBuiltin(f *testing.F) {
	names := Names()
	framings := make([]*Framing, len(names))
	for i, name := range names {
		framings[i] = builtin(f, name, Options{})
		for _, s := range streams[name] {
			f.Add(uint8(i), uint8(0), []byte(s), []byte{0, 3}, uint16(9), uint16(0))
			f.Add(uint8(i), uint8(1), []byte(s), []byte{0}, uint16(9), uint16(2))
		}
	}
	f.Fuzz(func(t *testing.T, which, from uint8, b, cuts []byte, gapAt, gap uint16) {
		fr := framings[int(which)%len(framings)]
		dir := Direction(from % 3)
		whole := cutUp(t, fr, dir, b, nil, int(gapAt), int(gap))
		if cut := cutUp(t, fr, dir, b, cuts, int(gapAt), int(gap)); whole != cut {
			t.Errorf("%s, whole:\n%s\ncut by %d:\n%s", fr.Name(), whole, cuts, cut)
		}
	})
}
