package peer

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"framescope/decode/finding"
	"framescope/decode/http1"
	"framescope/decode/websocket"
)

// maxHead bounds the head of a request or response in bytes.
const maxHead = 16 << 10

// A refusal is the answer to a request that opens no session.
type refusal struct {
	status int
	rule   finding.ID // None: the text says it all
	text   string     // what was found, and what was expected
	fields []string   // of the response, beside the usual ones
}

var statusWords = map[int]string{
	101: "Switching Protocols",
	400: "Bad Request",
	405: "Method Not Allowed",
	408: "Request Timeout",
	426: "Upgrade Required",
	431: "Request Header Fields Too Large",
	503: "Service Unavailable",
	505: "HTTP Version Not Supported",
}

// errNotHTTP is the error for bytes that begin like another protocol.
type errNotHTTP struct{ kind http1.Kind }

func (e errNotHTTP) Error() string {
	switch e.kind {
	case http1.TLS:
		return "this is TLS; this port speaks plain HTTP: use ws:// instead of wss://"
	case http1.HTTP2:
		return "this is HTTP/2; this port speaks HTTP/1.1"
	}
	return "this is not HTTP"
}

var errHeadTooLarge = fmt.Errorf("the head has more than %d bytes", maxHead)

// A headCut is the error for a connection that ends inside a head.
type headCut struct {
	got int // bytes
	err error
}

func (e *headCut) Error() string {
	switch {
	case e.got == 0 && errors.Is(e.err, io.EOF):
		return "the connection was closed before a byte was sent"
	case errors.Is(e.err, io.EOF):
		return fmt.Sprintf("the connection was closed inside the head, after %d bytes", e.got)
	case errors.Is(e.err, os.ErrDeadlineExceeded):
		return fmt.Sprintf("the head did not come in time; %d bytes did", e.got)
	}
	return e.err.Error()
}

func (e *headCut) Unwrap() error { return e.err }

// readHead reads from conn until parse has read a head. It returns the bytes
// that came behind it.
func readHead(conn net.Conn, parse func([]byte) (int, error)) (rest []byte, err error) {
	var b []byte
	searched := 0
	for buf := make([]byte, 4<<10); ; {
		n, err := conn.Read(buf)
		b = append(b, buf[:n]...)
		if k := http1.Sniff(b); n > 0 && k != http1.Short && k != http1.RequestHead && k != http1.ResponseHead {
			return nil, errNotHTTP{k}
		}
		end := http1.FindEnd(b, searched)
		searched = len(b)
		switch {
		case max(end, 0) > maxHead || end < 0 && len(b) > maxHead:
			return nil, errHeadTooLarge
		case end >= 0:
			n, err := parse(b)
			if err != nil {
				return nil, err
			}
			return b[n:], nil
		case err != nil:
			return nil, &headCut{len(b), err}
		}
	}
}

// judge says whether a request opens a session: nil if it does (RFC 6455
// section 4.2.1).
func judge(r *http1.Request, h *websocket.Handshake) *refusal {
	switch {
	case r.LFOnly:
		return &refusal{400, finding.None, "a line of the request ends in a bare line feed, expected CR LF (RFC 9112 section 2.2)", nil}
	case r.Folded:
		return &refusal{400, finding.None, "a header field goes on in the next line, which is obsolete (RFC 9112 section 5.2)", nil}
	case r.SpaceBeforeColon:
		return &refusal{400, finding.None, "there is white space before the colon of a header field (RFC 9112 section 5.1)", nil}
	case r.BadLine:
		return &refusal{400, finding.None, "a line of the head is no header field (RFC 9112 section 5)", nil}
	}
	if !h.Meant {
		if m := string(r.Method); m != "GET" && m != "HEAD" {
			return &refusal{405, finding.None, fmt.Sprintf("found method %.32q, expected GET", m), []string{"Allow: GET"}}
		}
		return &refusal{status: 426, rule: finding.UpgradeMissing, text: "no Upgrade field, expected Upgrade: websocket"}
	}
	for _, i := range h.Issues {
		switch i.ID {
		case finding.MethodNotGet:
			return &refusal{405, i.ID, i.Text, []string{"Allow: GET"}}
		case finding.RequestHTTP10:
			return &refusal{505, i.ID, i.Text, nil}
		case finding.UpgradeMissing, finding.ProxyStripsUpgrade, finding.VersionUnsupported:
			return &refusal{426, i.ID, i.Text, nil}
		case finding.ExtensionOfferInvalid: // see chooseDeflate
		default:
			return &refusal{400, i.ID, i.Text, nil}
		}
	}
	if n := r.Header.Count("host"); n != 1 || len(r.Header.Get("host")) == 0 {
		return &refusal{400, finding.None, fmt.Sprintf("found %d Host fields, expected one that names a host (RFC 6455 section 4.2.1)", n), nil}
	}
	var body http1.Body
	if err := body.Request(r); err != nil || !body.Done() {
		return &refusal{400, finding.None, "the request has a body, expected none: a handshake ends with its head", nil}
	}
	return judgeProtocols(r.Header)
}

// judgeProtocols demands subprotocols that are tokens and differ (RFC 6455
// section 4.1).
func judgeProtocols(h http1.Header) *refusal {
	seen := map[string]bool{}
	for p := range h.List("sec-websocket-protocol") {
		switch {
		case !http1.Token(p):
			return &refusal{400, finding.None, fmt.Sprintf("Sec-WebSocket-Protocol: %.60q is no token (RFC 6455 section 4.1)", p), nil}
		case seen[string(p)]:
			return &refusal{400, finding.None, fmt.Sprintf("Sec-WebSocket-Protocol: %.60q is there twice (RFC 6455 section 4.1)", p), nil}
		}
		seen[string(p)] = true
	}
	return nil
}

// headError makes a refusal of an error of readHead.
func headError(err error) *refusal {
	var other errNotHTTP
	switch {
	case errors.As(err, &other) && other.kind == http1.TLS:
		return &refusal{400, finding.TLSToPlainPort, err.Error(), nil}
	case errors.As(err, &other):
		return &refusal{400, finding.None, err.Error(), nil}
	case errors.Is(err, errHeadTooLarge):
		return &refusal{431, finding.RequestHeaderTooLarge, err.Error(), nil}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &refusal{408, finding.None, err.Error(), nil}
	}
	return &refusal{400, finding.None, err.Error(), nil}
}

// append appends the response. head leaves the body away: the method was HEAD.
func (r *refusal) append(dst []byte, head bool) []byte {
	body := r.body()
	dst = fmt.Appendf(dst, "HTTP/1.1 %d %s\r\nServer: framescope\r\nContent-Type: text/plain; charset=utf-8\r\n"+
		"X-Content-Type-Options: nosniff\r\nContent-Length: %d\r\n", r.status, statusWords[r.status], len(body))
	if r.status == 426 { // RFC 9110 section 15.5.22, RFC 6455 section 4.4
		dst = append(dst, "Upgrade: websocket\r\nConnection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\n"...)
	} else {
		dst = append(dst, "Connection: close\r\n"...)
	}
	for _, f := range r.fields {
		dst = append(append(dst, f...), "\r\n"...)
	}
	dst = append(dst, "\r\n"...)
	if head {
		return dst
	}
	return append(dst, body...)
}

// body says why, as a person reads it.
func (r *refusal) body() []byte {
	var b bytes.Buffer
	if r.rule == finding.UpgradeMissing {
		b.WriteString("This is a WebSocket echo server (framescope serve echo): it sends back every\nmessage that it gets. Open it with a WebSocket client.\n\n")
	}
	info := r.rule.Info()
	fmt.Fprintf(&b, "No WebSocket was opened: %s.\n", printable(cmp.Or(info.Title, r.text)))
	if info.Title != "" {
		fmt.Fprintf(&b, "  %-9s %s\n", "found", printable(r.text))
		fmt.Fprintf(&b, "  %-9s %s\n", "rule", info.RFC)
	}
	return b.Bytes()
}

// printable replaces what a terminal might obey: the text holds bytes of the
// request.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
}

// accept returns the 101 for a request that judge likes, and what it agrees to.
// The error is that of chooseDeflate.
func (s *Server) accept(r *http1.Request) (response []byte, p opening, err error) {
	answer, a, err := chooseDeflate(r.Header)
	if err != nil {
		return nil, p, err
	}
	p.protocol = s.chooseProtocol(r.Header)
	b := []byte("HTTP/1.1 101 " + statusWords[101] + "\r\nServer: framescope\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		websocket.AcceptKey(r.Header.Get("sec-websocket-key")) + "\r\n")
	if p.protocol != "" {
		b = append(b, "Sec-WebSocket-Protocol: "+p.protocol+"\r\n"...)
	}
	if answer != "" && s.Deflate {
		p.deflate, p.agreement = true, a
		b = append(b, "Sec-WebSocket-Extensions: "+answer+"\r\n"...)
	}
	return append(b, "\r\n"...), p, nil
}

// An opening is what a handshake has agreed to.
type opening struct {
	protocol string
	deflate  bool
	agreement
}

// chooseProtocol returns the first offer that the server knows.
func (s *Server) chooseProtocol(h http1.Header) string {
	for p := range h.List("sec-websocket-protocol") {
		if len(s.Subprotocols) == 0 || slices.Contains(s.Subprotocols, string(p)) {
			return string(p)
		}
	}
	return ""
}
