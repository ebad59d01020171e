package peer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"time"

	"framescope/decode/websocket"
)

// A Demo is a short exchange over loopback that is worth looking at: a session
// as it should be, one that ends because a message is too big, and a request
// that looks as if a proxy had removed its Upgrade field. It takes about a
// second. Only ports, times, keys and masks differ from run to run.
type Demo struct {
	// MPTCP asks for MPTCP, which is used where the kernel has it.
	MPTCP bool
	// Listening is called before the first packet is sent, if it is not nil:
	// the server listens on addr, with MPTCP if mptcp says so. An error ends the
	// Demo.
	Listening func(addr netip.AddrPort, mptcp bool) error
}

const (
	demoLimit  = 80_000 // bytes of a message
	demoBinary = 70_000
	demoTarget = "/prices"
)

// Run runs it. It returns when all connections are closed.
func (d *Demo) Run(ctx context.Context) error {
	l, err := Listen(ctx, "127.0.0.1:0", d.MPTCP)
	if err != nil {
		return err
	}
	defer l.Close()
	addr := addrPort(l.Addr())
	if d.Listening != nil {
		if err := d.Listening(addr, ListensMultipath(l)); err != nil {
			return err
		}
	}
	serving, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	server := Server{Subprotocols: []string{"prices.v1"}, Deflate: true, MaxMessage: demoLimit}
	go func() { ended <- server.Serve(serving, l) }()
	for _, act := range []func(context.Context, string) error{d.ordinary, d.tooBig, d.stripped} {
		if err = act(ctx, addr.String()); err != nil {
			break
		}
		pause(ctx, 60*time.Millisecond)
	}
	cancel()
	if e := <-ended; err == nil {
		err = e
	}
	return err
}

// A demoConn is a client that remembers its first error.
type demoConn struct {
	*Conn
	ctx context.Context
	err error
}

func (d *Demo) dial(ctx context.Context, addr string, deflate bool) (*demoConn, error) {
	c, err := Dial(ctx, "ws://"+addr+demoTarget, &ClientConfig{
		MPTCP: d.MPTCP, Subprotocols: []string{"prices.v2", "prices.v1"}, Deflate: deflate,
		Header: [][2]string{{"Origin", "http://localhost"}, {"User-Agent", "framescope-demo"}},
	})
	return &demoConn{Conn: c, ctx: ctx}, err
}

// echo sends a message and waits until it is back.
func (c *demoConn) echo(op websocket.Opcode, parts ...[]byte) {
	if c.err != nil {
		return
	}
	pause(c.ctx, 60*time.Millisecond)
	if c.err = c.WriteFragments(c.ctx, op, parts...); c.err != nil {
		return
	}
	m, err := c.Read(c.ctx)
	if c.err = err; err == nil && (m.Opcode != op || !bytes.Equal(m.Data, bytes.Join(parts, nil))) {
		c.err = errors.New("a message came back changed")
	}
}

// ordinary is a session as it should be.
func (d *Demo) ordinary(ctx context.Context, addr string) error {
	c, err := d.dial(ctx, addr, true)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	c.echo(websocket.Text, []byte(`{"type":"subscribe","symbols":["ABC","DEF"]}`))
	c.echo(websocket.Text, []byte(`{"type":"price","symbol":"ABC","value":101.25}`))
	c.echo(websocket.Text, []byte(`{"type":"price","symbol":"DEF","value":17.5}`))
	c.echo(websocket.Text, []byte(`{"type":"news","text":"a message `), []byte(`in three `), []byte(`fragments"}`))
	c.echo(websocket.Binary, samples(demoBinary))
	if c.err == nil {
		pause(ctx, 150*time.Millisecond)
		_, c.err = c.Ping(ctx, []byte("are you there?"))
	}
	if c.err != nil {
		return c.err
	}
	pause(ctx, 80*time.Millisecond)
	return c.Close(ctx, normal, "bye")
}

// samples are the values of a sine, in 16 bits each.
func samples(n int) []byte {
	b := make([]byte, 0, n)
	for i := 0; len(b) < n; i++ {
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(1000*math.Sin(float64(i)/40))))
	}
	return b[:n]
}

// tooBig is a session that ends with 1009.
func (d *Demo) tooBig(ctx context.Context, addr string) error {
	c, err := d.dial(ctx, addr, true)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	c.echo(websocket.Text, []byte(`{"type":"history","symbol":"ABC","days":1}`))
	if c.err != nil {
		return c.err
	}
	var all []byte
	for day := 0; len(all) <= demoLimit+10_000; day++ {
		all = fmt.Appendf(all, `{"symbol":"ABC","day":%d,"value":%.2f}`+"\n", day, 100+10*math.Sin(float64(day)/20))
	}
	if err := c.Write(ctx, websocket.Text, all); err != nil {
		return err
	}
	_, err = c.Read(ctx)
	var end *CloseError
	if !errors.As(err, &end) || end.Code != tooBig || !end.Peer {
		return fmt.Errorf("expected that the server closes with 1009: %w", err)
	}
	return c.Close(ctx, normal, "")
}

// stripped is what a request looks like behind a reverse proxy that was not told
// to pass Upgrade on.
func (d *Demo) stripped(ctx context.Context, addr string) error {
	var dialer net.Dialer
	dialer.SetMultipathTCP(d.MPTCP)
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	request := "GET " + demoTarget + " HTTP/1.1\r\nHost: " + addr + "\r\nConnection: close\r\nX-Forwarded-For: 203.0.113.7\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: http://localhost\r\n\r\n"
	if _, err = conn.Write([]byte(request)); err != nil {
		return err
	}
	response, err := io.ReadAll(io.LimitReader(conn, 64<<10))
	if err == nil && !bytes.HasPrefix(response, []byte("HTTP/1.1 426 ")) {
		err = fmt.Errorf("expected that the server refuses the request, found %.20q", response)
	}
	return err
}
