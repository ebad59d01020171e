package websocket

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"iter"

	"framescope/decode/http1"
)

const (
	fieldExtensions   = "sec-websocket-extensions"
	permessageDeflate = "permessage-deflate"

	// maxExtensions bounds how many extensions of a header are looked at: each
	// of an answer is compared with each of an offer.
	maxExtensions = 64
)

// A Deflate says how one side compresses its messages (RFC 7692 section 7.1).
type Deflate struct {
	// NoContextTakeover: each message is compressed on its own.
	NoContextTakeover bool
	// WindowBits is the base-2 logarithm of the window size, 8 to 15. Zero
	// stands for 15.
	WindowBits uint8
}

// A Param is one parameter of an extension. Name and Value alias the header
// that was read, unless the value was quoted with backslashes.
type Param struct {
	Name, Value []byte
	// HasValue tells "name" from "name=value".
	HasValue bool
}

// An Extension is one element of a Sec-WebSocket-Extensions list (RFC 6455
// section 9.1).
type Extension struct {
	Name   []byte
	Params []Param
}

// Extensions ranges over the elements of all Sec-WebSocket-Extensions fields of
// h as one list. An element that breaks the grammar comes with an error, and
// with what could be read of it.
func Extensions(h http1.Header) iter.Seq2[Extension, error] {
	return func(yield func(Extension, error) bool) {
		for e := range h.List(fieldExtensions) {
			if !yield(parseExtension(e)) {
				return
			}
		}
	}
}

func parseExtension(e []byte) (x Extension, err error) {
	x.Name, e = http1.Cut(e, ';')
	if !http1.Token(x.Name) {
		err = fmt.Errorf("%.40q is no extension name", x.Name)
	}
	for e != nil {
		var p []byte
		if p, e = http1.Cut(e, ';'); len(p) == 0 {
			err = errors.Join(err, errors.New("a parameter is empty"))
			continue
		}
		name, value, ok := bytes.Cut(p, []byte{'='})
		param := Param{Name: bytes.TrimSpace(name), HasValue: ok}
		if ok {
			param.Value = unquote(bytes.TrimSpace(value))
		}
		// section 9.1: a quoted value is a token as well once it is unquoted.
		if !http1.Token(param.Name) || ok && !http1.Token(param.Value) {
			err = errors.Join(err, fmt.Errorf("%.40q is no parameter", p))
		}
		if len(x.Params) < maxExtensions {
			x.Params = append(x.Params, param)
		}
	}
	return x, err
}

// unquote returns what a quoted string stands for, and any other value as it
// is.
func unquote(b []byte) []byte {
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return b
	}
	b = b[1 : len(b)-1]
	if bytes.IndexByte(b, '\\') < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+1 < len(b) {
			i++
		}
		out = append(out, b[i])
	}
	return out
}

// deflateParams are the parameters of one offer or answer of
// permessage-deflate.
type deflateParams struct {
	serverNoTakeover, clientNoTakeover bool
	serverBits, clientBits             uint8 // 0: not there
	clientBitsAny                      bool  // client_max_window_bits without a value
}

// parseDeflate reads the parameters of x by RFC 7692 section 7.1. What can be
// used of them is used even when the error says that they are invalid.
func parseDeflate(x Extension, answer bool) (d deflateParams, err error) {
	fail := func(format string, args ...any) {
		if err == nil {
			err = fmt.Errorf(format, args...)
		}
	}
	var seen [4]bool
	once := func(i int, p Param) {
		if seen[i] {
			fail("%s is there twice", p.Name)
		}
		seen[i] = true
	}
	bits := func(p Param) uint8 {
		n := windowBits(p.Value)
		if n == 0 {
			fail("%s=%.20s, expected 8 to 15", p.Name, p.Value)
		}
		return n
	}
	for _, p := range x.Params {
		switch string(bytes.ToLower(p.Name)) {
		case "server_no_context_takeover":
			once(0, p)
			d.serverNoTakeover = true
			if p.HasValue {
				fail("%s has a value", p.Name)
			}
		case "client_no_context_takeover":
			once(1, p)
			d.clientNoTakeover = true
			if p.HasValue {
				fail("%s has a value", p.Name)
			}
		case "server_max_window_bits":
			once(2, p)
			d.serverBits = bits(p)
		case "client_max_window_bits":
			once(3, p)
			switch {
			case p.HasValue:
				d.clientBits = bits(p)
			case answer: // section 7.1.2.2
				fail("%s has no value", p.Name)
			default:
				d.clientBitsAny = true
			}
		default:
			fail("%.40s is no parameter of permessage-deflate", p.Name)
		}
	}
	return d, err
}

// windowBits reads 8 to 15 without leading zeros, and returns 0 for anything
// else.
func windowBits(v []byte) uint8 {
	switch {
	case len(v) == 1 && (v[0] == '8' || v[0] == '9'):
		return v[0] - '0'
	case len(v) == 2 && v[0] == '1' && v[1] >= '0' && v[1] <= '5':
		return 10 + v[1] - '0'
	}
	return 0
}

// allows reports why the answer a may not follow the offer o (RFC 7692 section
// 7.1), or nil.
func (o deflateParams) allows(a deflateParams) error {
	switch {
	case o.serverNoTakeover && !a.serverNoTakeover:
		return errors.New("the offer asks for server_no_context_takeover, the answer leaves it out")
	case o.serverBits != 0 && a.serverBits == 0:
		return fmt.Errorf("the offer asks for server_max_window_bits=%d, the answer leaves it out", o.serverBits)
	case o.serverBits != 0 && a.serverBits > o.serverBits:
		return fmt.Errorf("server_max_window_bits=%d is more than the %d of the offer", a.serverBits, o.serverBits)
	case a.clientBits != 0 && o.clientBits == 0 && !o.clientBitsAny:
		return errors.New("client_max_window_bits was not offered")
	case o.clientBits != 0 && a.clientBits > o.clientBits:
		return fmt.Errorf("client_max_window_bits=%d is more than the %d of the offer", a.clientBits, o.clientBits)
	}
	return nil
}

// A negotiation is what the extension fields of both heads come to.
type negotiation struct {
	deflate, other bool    // what the answer names
	client, server Deflate // what each side may do then
	offerErr       error   // an offer that breaks a rule
	unrequested    error   // an answer to what was not offered
	answerErr      error   // an answer that breaks a rule
}

// An offer is one extension that the request names.
type offer struct {
	name    []byte
	deflate deflateParams
	valid   bool
}

// negotiate compares the offers with the answer. Either head is nil when it was
// not captured.
func negotiate(req *http1.Request, resp *http1.Response) (n negotiation) {
	var buf [8]offer
	offers := buf[:0]
	if req != nil {
		offers = n.offers(req.Header, offers)
	}
	if resp == nil || resp.Status != 101 {
		return n
	}
	count := 0
	for x, err := range Extensions(resp.Header) {
		if count++; count > maxExtensions {
			n.answerErr = cmp.Or(n.answerErr, errTooMany)
			break
		}
		var params deflateParams
		isDeflate := http1.EqualFold(x.Name, permessageDeflate)
		if isDeflate {
			var bad error
			params, bad = parseDeflate(x, true)
			err = cmp.Or(err, bad)
			if n.deflate {
				err = cmp.Or(err, errors.New("permessage-deflate is there twice"))
			}
			n.accept(params)
		} else {
			n.other = true
		}
		if req != nil {
			named, why := match(offers, x.Name, isDeflate, params)
			if !named && n.unrequested == nil {
				n.unrequested = fmt.Errorf("%.40q was not offered", x.Name)
			}
			err = cmp.Or(err, why)
		}
		n.answerErr = cmp.Or(n.answerErr, err)
	}
	return n
}

var errTooMany = fmt.Errorf("more than %d extensions", maxExtensions)

func (n *negotiation) offers(h http1.Header, offers []offer) []offer {
	for x, err := range Extensions(h) {
		if len(offers) == maxExtensions {
			n.offerErr = cmp.Or(n.offerErr, errTooMany)
			break
		}
		o := offer{name: x.Name}
		if http1.EqualFold(x.Name, permessageDeflate) {
			var bad error
			o.deflate, bad = parseDeflate(x, false)
			err = cmp.Or(err, bad)
		}
		o.valid = err == nil
		n.offerErr = cmp.Or(n.offerErr, err)
		offers = append(offers, o)
	}
	return offers
}

// match reports whether an offer has that name and, for permessage-deflate, why
// none of them allows the answer.
func match(offers []offer, name []byte, isDeflate bool, answer deflateParams) (named bool, why error) {
	for i := range offers {
		o := &offers[i]
		if !http1.EqualFold(name, string(o.name)) {
			continue
		}
		named = true
		if !isDeflate {
			return true, nil
		}
		err := errors.New("the offer is not valid")
		if o.valid {
			err = o.deflate.allows(answer)
		}
		if err == nil {
			return true, nil
		}
		why = cmp.Or(why, err)
	}
	return named, why
}

// accept takes the parameters of the first answer to permessage-deflate.
func (n *negotiation) accept(a deflateParams) {
	if n.deflate {
		return
	}
	n.deflate = true
	n.server = Deflate{NoContextTakeover: a.serverNoTakeover, WindowBits: a.serverBits}
	n.client = Deflate{NoContextTakeover: a.clientNoTakeover, WindowBits: a.clientBits}
}
