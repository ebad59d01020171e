package peer

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"framescope/decode/http1"
	"framescope/decode/websocket"
)

// A ClientConfig says how to open a session. A nil one stands for the zero one.
type ClientConfig struct {
	// MPTCP asks for MPTCP; Conn.Multipath tells whether it was got.
	MPTCP bool
	// Dial opens the connection; nil stands for TCP. For wss it must return one
	// that speaks TLS. address has a port.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Subprotocols are offered in this order. Deflate offers
	// permessage-deflate.
	Subprotocols []string
	Deflate      bool
	// Header has more fields for the request, each as name and value.
	Header [][2]string
	// MaxMessage bounds a message that is received, in bytes; zero stands for
	// 16 MiB. A larger one ends the session with 1009.
	MaxMessage int64
}

// A HandshakeError says why no session was opened over a connection.
type HandshakeError struct {
	// Status and Reason are those of the response, 0 if there was none that
	// could be read. Body is the beginning of its body.
	Status int
	Reason string
	Body   []byte
	// Issues are what is wrong with the response.
	Issues []websocket.Issue
	// Err is why there is no response.
	Err error
}

// Error says what the server answered. It may hold bytes from the network.
func (e *HandshakeError) Error() string {
	switch {
	case e.Err != nil:
		return fmt.Sprintf("websocket handshake: %v", e.Err)
	case len(e.Issues) > 0 && e.Status == 101:
		return fmt.Sprintf("websocket handshake: %v: %s", e.Issues[0].ID, e.Issues[0].Text)
	}
	return fmt.Sprintf("websocket handshake: the server answered %d %s", e.Status, e.Reason)
}

// Unwrap returns e.Err.
func (e *HandshakeError) Unwrap() error { return e.Err }

// Dial opens a session with the server at a URL such as
// "ws://127.0.0.1:8765/chat". ctx bounds the opening, not the session. The
// error is a *HandshakeError once there is a connection.
func Dial(ctx context.Context, address string, config *ClientConfig) (*Conn, error) {
	if config == nil {
		config = new(ClientConfig)
	}
	u, port, err := parseURL(address)
	if err != nil {
		return nil, err
	}
	dial := config.Dial
	if dial == nil {
		if u.Scheme == "wss" {
			return nil, fmt.Errorf("%s: wss needs a ClientConfig.Dial that speaks TLS", address)
		}
		var d net.Dialer
		d.SetMultipathTCP(config.MPTCP)
		dial = d.DialContext
	}
	key := make([]byte, 16)
	_, _ = rand.Read(key) // never fails
	request, err := config.request(u, base64.StdEncoding.EncodeToString(key))
	if err != nil {
		return nil, err
	}
	conn, err := dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, err
	}
	c, err := config.open(ctx, conn, request)
	if err != nil {
		conn.Close()
		if ctx.Err() != nil {
			err = &HandshakeError{Err: ctx.Err()}
		}
		return nil, err
	}
	return c, nil
}

// parseURL reads a URL (RFC 6455 section 3).
func parseURL(address string) (u *url.URL, port string, err error) {
	u, err = url.Parse(address)
	if err != nil {
		return nil, "", err
	}
	port = u.Port()
	switch {
	case u.Scheme != "ws" && u.Scheme != "wss":
		return nil, "", fmt.Errorf("%s: expected a URL that begins with ws:// or wss://", address)
	case u.Hostname() == "":
		return nil, "", fmt.Errorf("%s: there is no host in it", address)
	case u.Fragment != "" || u.User != nil:
		return nil, "", fmt.Errorf("%s: a WebSocket URL has neither a fragment nor a user", address)
	case port != "":
	case u.Scheme == "ws":
		port = "80"
	default:
		port = "443"
	}
	return u, port, nil
}

func (config *ClientConfig) request(u *url.URL, key string) ([]byte, error) {
	b := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n",
		u.RequestURI(), u.Host, key)
	fields := config.Header
	if len(config.Subprotocols) > 0 {
		fields = append(fields[:len(fields):len(fields)], [2]string{"Sec-WebSocket-Protocol", strings.Join(config.Subprotocols, ", ")})
	}
	if config.Deflate {
		fields = append(fields[:len(fields):len(fields)], [2]string{"Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"})
	}
	for _, f := range fields {
		if !http1.Token([]byte(f[0])) || strings.ContainsAny(f[1], "\r\n\x00") {
			return nil, fmt.Errorf("%q: %q is no header field", f[0], f[1])
		}
		b = append(b, f[0]+": "+f[1]+"\r\n"...)
	}
	return append(b, "\r\n"...), nil
}

// open makes the handshake over conn.
func (config *ClientConfig) open(ctx context.Context, conn net.Conn, request []byte) (*Conn, error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if _, err := conn.Write(request); err != nil {
		return nil, &HandshakeError{Err: err}
	}
	x := websocket.Exchange{Request: new(http1.Request), Response: new(http1.Response)}
	x.Response.Limits = http1.Limits{Bytes: maxHead}
	if _, err := http1.ParseRequest(request, x.Request); err != nil {
		return nil, err
	}
	rest, err := readResponse(conn, &x)
	if err != nil {
		return nil, &HandshakeError{Err: err}
	}
	h := websocket.CheckHandshake(x)
	if h.OK != websocket.Yes {
		return nil, &HandshakeError{Status: x.Response.Status, Reason: string(x.Response.Reason), Body: readBody(conn, &x, rest), Issues: h.Issues}
	}
	if !stop() {
		return nil, &HandshakeError{Err: ctx.Err()}
	}
	c := &Conn{
		conn: conn, subprotocol: string(h.Subprotocol), deflate: h.Deflate,
		messages: make(chan Message, 1), closing: make(chan struct{}), done: make(chan struct{}), pings: map[string]chan time.Time{},
	}
	c.out = sender{conn: conn, masked: true}
	if h.Deflate {
		c.out.deflate = &deflater{params: h.Client}
	}
	c.in = source{conn: conn, rest: rest, receiver: receiver{
		from: websocket.Server, max: orElse(config.MaxMessage, 16<<20), deflated: h.Deflate, params: h.Server,
	}}
	go c.receive()
	return c, nil
}

// readResponse reads the response that counts: not one below 200, except 101.
func readResponse(conn net.Conn, x *websocket.Exchange) (rest []byte, err error) {
	source := &prefixed{Conn: conn}
	for range 5 {
		rest, err = readHead(source, func(b []byte) (int, error) { return http1.ParseResponse(b, x.Response) })
		if err != nil || x.Response.Status == 101 || x.Response.Status >= 200 {
			return rest, err
		}
		x.Informational = true
		source.front = append(rest, source.front...)
	}
	return nil, errors.New("one informational response after the other")
}

// A prefixed connection has bytes in front.
type prefixed struct {
	net.Conn
	front []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.front) == 0 {
		return p.Conn.Read(b)
	}
	n := copy(b, p.front)
	p.front = p.front[n:]
	return n, nil
}

// readBody returns the beginning of the body of a response that opens nothing:
// it says why, often.
func readBody(conn net.Conn, x *websocket.Exchange, rest []byte) []byte {
	body := http1.Body{Keep: 4 << 10}
	if body.Response(x.Response, []byte("GET")) != nil || conn.SetReadDeadline(time.Now().Add(lingerTimeout)) != nil {
		return nil
	}
	buf := make([]byte, 4<<10)
	for !body.Done() && len(body.Kept) < body.Keep && body.Framing != http1.Tunnel {
		if len(rest) == 0 {
			n, err := conn.Read(buf)
			if rest = buf[:n]; n == 0 && err != nil {
				break
			}
		}
		n, err := body.Data(rest)
		if rest = rest[n:]; err != nil {
			break
		}
	}
	return body.Kept
}
