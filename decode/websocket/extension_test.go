package websocket

import (
	"fmt"
	"strings"
	"testing"

	"framescope/decode/http1"
)

func request(t testing.TB, head string) *http1.Request {
	t.Helper()
	var r http1.Request
	if _, err := http1.ParseRequest([]byte(head), &r); err != nil {
		t.Fatalf("%q: %v", head, err)
	}
	return &r
}

func response(t testing.TB, head string) *http1.Response {
	t.Helper()
	var r http1.Response
	if _, err := http1.ParseResponse([]byte(head), &r); err != nil {
		t.Fatalf("%q: %v", head, err)
	}
	return &r
}

// The grammar of RFC 6455 section 9.1.
func TestExtensions(t *testing.T) {
	for _, row := range []struct {
		fields []string
		want   string
	}{
		{[]string{"foo"}, "foo()"},
		{[]string{"foo, bar; baz=2"}, "foo() bar(baz=2)"},
		{[]string{"foo", "bar; baz=2"}, "foo() bar(baz=2)"},
		{[]string{"bar;baz ; x = y"}, "bar(baz x=y)"},
		{[]string{`a; b="c"`}, "a(b=c)"},
		{[]string{`a; b="\c\d"`}, "a(b=cd)"},
		{[]string{`a; b="x, y; z", c`}, "a!(b=x, y; z) c()"},
		{[]string{`a; b=`}, "a!(b=)"},
		{[]string{`a; b=""`}, "a!(b=)"},
		{[]string{`a;`}, "a!()"},
		{[]string{`a;; b`}, "a!(b)"},
		{[]string{`;b`}, "!(b)"},
		{[]string{`a b; c`}, "a b!(c)"},
		{[]string{`a; b c=d`}, "a!(b c=d)"},
		{[]string{",, a ,"}, "a()"},
		{[]string{""}, ""},
	} {
		head := "GET / HTTP/1.1\r\n"
		for _, f := range row.fields {
			head += "Sec-WebSocket-Extensions: " + f + "\r\n"
		}
		var got []string
		for x, err := range Extensions(request(t, head+"\r\n").Header) {
			s := string(x.Name)
			if err != nil {
				s += "!"
			}
			var params []string
			for _, p := range x.Params {
				v := string(p.Name)
				if p.HasValue {
					v += "=" + string(p.Value)
				}
				params = append(params, v)
			}
			got = append(got, s+"("+strings.Join(params, " ")+")")
		}
		if s := strings.Join(got, " "); s != row.want {
			t.Errorf("%q: %s, want %s", row.fields, s, row.want)
		}
	}
}

// RFC 7692 section 7.1, its examples first.
func TestNegotiate(t *testing.T) {
	const pmd = "permessage-deflate"
	for _, row := range []struct {
		offer, answer string // "-": not captured, "": no such field
		// want has what each side does: takeover or not, window; then what is
		// wrong: o offer, u unrequested, a answer.
		want string
	}{
		{pmd, pmd, "client 15 server 15"},
		{pmd + "; client_max_window_bits; server_max_window_bits=10", pmd + "; server_max_window_bits=10", "client 15 server 10"},
		{pmd + "; client_max_window_bits; server_max_window_bits=10, " + pmd + "; client_max_window_bits", pmd, "client 15 server 15"},
		{pmd, "", ""},
		{"", "", ""},
		{"-", pmd, "client 15 server 15"},
		{"-", pmd + "; client_max_window_bits=9", "client 9 server 15"},
		{pmd, "-", ""},
		{pmd + "; server_no_context_takeover", pmd + "; server_no_context_takeover", "client 15 server 15 alone"},
		{pmd + "; server_no_context_takeover", pmd, "client 15 server 15 a"},
		{pmd, pmd + "; server_no_context_takeover; client_no_context_takeover", "client 15 alone server 15 alone"},
		{pmd + "; client_no_context_takeover", pmd, "client 15 server 15"},
		{pmd + "; server_max_window_bits=10", pmd, "client 15 server 15 a"},
		{pmd + "; server_max_window_bits=10", pmd + "; server_max_window_bits=9", "client 15 server 9"},
		{pmd + "; server_max_window_bits=10", pmd + "; server_max_window_bits=11", "client 15 server 11 a"},
		{pmd, pmd + "; server_max_window_bits=11", "client 15 server 11"},
		{pmd, pmd + "; client_max_window_bits=11", "client 11 server 15 a"},
		{pmd + "; client_max_window_bits", pmd + "; client_max_window_bits=8", "client 8 server 15"},
		{pmd + "; client_max_window_bits=10", pmd + "; client_max_window_bits=11", "client 11 server 15 a"},
		{pmd + "; client_max_window_bits=10", pmd + "; client_max_window_bits=\"10\"", "client 10 server 15"},
		{pmd + "; client_max_window_bits", pmd + "; client_max_window_bits", "client 15 server 15 a"},
		{pmd + "; client_max_window_bits", pmd + "; server_max_window_bits=99", "client 15 server 15 a"},
		{pmd + "; client_max_window_bits=7", pmd, "client 15 server 15 o a"},
		{pmd + "; client_max_window_bits=08", "", "o"},
		{pmd + "; client_max_window_bits=16", "", "o"},
		{pmd + "; server_max_window_bits", "", "o"},
		{pmd + "; server_no_context_takeover=1", "", "o"},
		{pmd + "; x", "", "o"},
		{pmd + "; client_max_window_bits; client_max_window_bits=9", "", "o"},
		{pmd + "; x, " + pmd, pmd, "client 15 server 15 o"},
		{"", pmd, "client 15 server 15 u"},
		{"x-webkit-deflate-frame", "x-webkit-deflate-frame", "other"},
		{"foo", "bar", "other u"},
		{pmd, pmd + ", " + pmd, "client 15 server 15 a"},
		{pmd, pmd + "; server_max_window_bits=12; server_max_window_bits=12", "client 15 server 12 a"},
		{"Permessage-Deflate; Client_Max_Window_Bits", pmd + "; client_max_window_bits=15", "client 15 server 15"},
		{strings.Repeat(pmd+",", 65), "", "o"},
		{pmd, strings.Repeat("foo,", 65), "other u a"},
	} {
		var req *http1.Request
		var resp *http1.Response
		if row.offer != "-" {
			req = request(t, "GET / HTTP/1.1\r\n"+field(row.offer)+"\r\n")
		}
		if row.answer != "-" {
			resp = response(t, "HTTP/1.1 101 OK\r\n"+field(row.answer)+"\r\n")
		}
		n := negotiate(req, resp)
		var got []string
		if n.deflate {
			got = append(got, "client"+n.client.describe(), "server"+n.server.describe())
		}
		for _, x := range []struct {
			set  bool
			word string
		}{{n.other, "other"}, {n.offerErr != nil, "o"}, {n.unrequested != nil, "u"}, {n.answerErr != nil, "a"}} {
			if x.set {
				got = append(got, x.word)
			}
		}
		if s := strings.Join(got, " "); s != row.want {
			t.Errorf("%.60s\n-> %.60s:\n got %q\nwant %q (%v, %v, %v)", row.offer, row.answer, s, row.want, n.offerErr, n.unrequested, n.answerErr)
		}
	}
}

func (d Deflate) describe() string {
	bits := d.WindowBits
	if bits == 0 {
		bits = 15
	}
	s := fmt.Sprintf(" %d", bits)
	if d.NoContextTakeover {
		s += " alone"
	}
	return s
}

func field(v string) string {
	if v == "" {
		return ""
	}
	return "Sec-WebSocket-Extensions: " + v + "\r\n"
}

func FuzzExtensions(f *testing.F) {
	f.Add("permessage-deflate; client_max_window_bits", "permessage-deflate; server_max_window_bits=\"1\\0\"")
	f.Add("a;b=\"c,d;\\\"\",e", ";,=\"")
	f.Fuzz(func(t *testing.T, offer, answer string) {
		if strings.ContainsAny(offer+answer, "\r\n") {
			return
		}
		n := negotiate(
			&http1.Request{Header: http1.Header{{Name: []byte("Sec-WebSocket-Extensions"), Value: []byte(offer)}}},
			&http1.Response{Status: 101, Header: http1.Header{{Name: []byte("Sec-WebSocket-Extensions"), Value: []byte(answer)}}})
		for _, d := range []Deflate{n.client, n.server} {
			if d.WindowBits != 0 && (d.WindowBits < 8 || d.WindowBits > 15) {
				t.Fatalf("window bits %d", d.WindowBits)
			}
			if !n.deflate && d != (Deflate{}) {
				t.Fatalf("%+v without permessage-deflate", d)
			}
		}
	})
}
