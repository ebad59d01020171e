package peer

import (
	"compress/flate"
	"strconv"

	"framescope/decode/http1"
	"framescope/decode/websocket"
)

// A deflater compresses the messages of one side (RFC 7692 section 7.2.1).
type deflater struct {
	params websocket.Deflate
	w      *flate.Writer
	out    []byte
}

// Write appends to the output.
func (d *deflater) Write(p []byte) (int, error) {
	d.out = append(d.out, p...)
	return len(p), nil
}

// compress returns the next part of a message, compressed; it is valid until
// the next call.
func (d *deflater) compress(p []byte, first, last bool) []byte {
	d.out = d.out[:0]
	switch {
	case d.w == nil:
		level := flate.DefaultCompression
		if b := d.params.WindowBits; b != 0 && b < 15 {
			// compress/flate looks back 32 KiB. Codes alone refer to nothing.
			level = flate.HuffmanOnly
		}
		d.w, _ = flate.NewWriter(d, level) // fails for other levels only
	case first && d.params.NoContextTakeover:
		d.w.Reset(d)
	}
	_, _ = d.w.Write(p) // d.Write never fails
	_ = d.w.Flush()
	if last {
		return d.out[:len(d.out)-4] // 00 00 ff ff, which Flush has written
	}
	return d.out
}

// An agreement is what was negotiated about permessage-deflate.
type agreement struct {
	client, server websocket.Deflate
}

// chooseDeflate answers the first offer of permessage-deflate that is valid. It
// returns the element of the answer, or "" for none. The error says which
// element breaks the grammar, for which a server must refuse the handshake (RFC
// 6455 section 9.1); an offer with parameters that RFC 7692 does not allow is
// passed over.
func chooseDeflate(h http1.Header) (answer string, a agreement, err error) {
	for x, bad := range websocket.Extensions(h) {
		if bad != nil {
			return "", agreement{}, bad
		}
		if answer == "" && http1.EqualFold(x.Name, "permessage-deflate") {
			answer, a = answerOffer(x)
		}
	}
	return answer, a, nil
}

// answerOffer answers one offer, with "" if it is not valid (RFC 7692 section
// 7.1). How far the client looks back makes no difference here, so
// client_max_window_bits is left out of the answer.
func answerOffer(x websocket.Extension) (answer string, a agreement) {
	var seen [4]bool
	once := func(i int, ok bool) bool {
		ok = ok && !seen[i]
		seen[i] = true
		return ok
	}
	answer = "permessage-deflate"
	for _, p := range x.Params {
		ok := false
		switch bits := windowBits(p.Value); {
		case http1.EqualFold(p.Name, "server_no_context_takeover"):
			ok = once(0, !p.HasValue)
			a.server.NoContextTakeover = true
			answer += "; server_no_context_takeover"
		case http1.EqualFold(p.Name, "client_no_context_takeover"):
			ok = once(1, !p.HasValue)
			a.client.NoContextTakeover = true
			answer += "; client_no_context_takeover"
		case http1.EqualFold(p.Name, "server_max_window_bits"):
			ok = once(2, bits != 0)
			a.server.WindowBits = bits
			answer += "; server_max_window_bits=" + strconv.Itoa(int(bits))
		case http1.EqualFold(p.Name, "client_max_window_bits"):
			ok = once(3, !p.HasValue || bits != 0)
		}
		if !ok {
			return "", agreement{}
		}
	}
	return answer, a
}

// windowBits reads 8 to 15 without leading zeros, and returns 0 for anything
// else.
func windowBits(v []byte) uint8 {
	n, err := strconv.ParseUint(string(v), 10, 8)
	if err != nil || n < 8 || n > 15 || v[0] == '0' || v[0] == '+' {
		return 0
	}
	return uint8(n)
}
