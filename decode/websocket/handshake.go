package websocket

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"

	"framescope/decode/finding"
	"framescope/decode/http1"
)

const (
	fieldKey      = "sec-websocket-key"
	fieldAccept   = "sec-websocket-accept"
	fieldVersion  = "sec-websocket-version"
	fieldProtocol = "sec-websocket-protocol"

	acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455 section 1.3

	// maxProtocols bounds how many offered subprotocols an answer is compared
	// with.
	maxProtocols = 256
)

// A Verdict is yes, no, or unknown where too little was captured to tell.
type Verdict uint8

// The verdicts.
const (
	Unknown Verdict = iota
	Yes
	No
)

// An Exchange is what was captured of a request and its answer.
type Exchange struct {
	// Request and Response are nil when they were not captured. Response is the
	// last one, not an informational one that came before it.
	Request  *http1.Request
	Response *http1.Response
	// Body is the beginning of the response's body, as far as it is known.
	Body []byte
	// Informational says that an informational response came first.
	Informational bool
	// RequestCut and ResponseCut say that the end of the head was not captured:
	// fields that are not there may have been.
	RequestCut, ResponseCut bool
}

// An Issue is something that is wrong with a handshake.
type Issue struct {
	ID finding.ID
	// Answer says that it shows in the response, not in the request.
	Answer bool
	// Text says in one line what was found, and what was expected. It may hold
	// bytes from the network.
	Text string
}

// A Handshake is what two heads say about the session that they open.
type Handshake struct {
	// Meant says that this is an attempt to open a WebSocket. All else is zero
	// when it is not, but for Issues.
	Meant bool
	// OK says that frames may follow: the answer is 101 and both sides did what
	// RFC 6455 section 4 demands. Accept says the same of Sec-WebSocket-Accept
	// alone; it is No for a 101 without that field.
	OK, Accept Verdict
	// Subprotocol is the first one that the server chose, nil for none. It
	// aliases the response.
	Subprotocol []byte
	// Deflate says that the server chose permessage-deflate, valid or not;
	// Client and Server are what each side may do then. Other says that it
	// chose another extension, which may give the reserved bits a meaning.
	Deflate, Other bool
	Client, Server Deflate
	// Issues are in the order of the checks; at most one of each kind.
	Issues []Issue

	unseen bool // the answer, or its end
}

// AcceptKey returns the Sec-WebSocket-Accept that answers a Sec-WebSocket-Key
// (RFC 6455 section 4.2.2).
func AcceptKey(key []byte) string {
	var buf [128]byte
	sum := sha1.Sum(append(append(buf[:0], key...), acceptGUID...))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// CheckHandshake tells what x opens and what is wrong with it (RFC 6455 section
// 4, RFC 7692 section 7.1).
func CheckHandshake(x Exchange) Handshake {
	c := checker{Exchange: x}
	c.h.Meant = c.meant()
	c.h.unseen = x.Response == nil || x.ResponseCut
	switch {
	case c.h.Meant:
		c.request()
		c.response()
		c.verdict()
	case x.Request != nil && string(x.Request.Method) == "CONNECT" && x.Response != nil && x.Response.Status == 407:
		c.failed()
	}
	return c.h
}

type checker struct {
	Exchange
	h     Handshake
	found finding.Set
	n     negotiation
}

func (c *checker) add(answer bool, id finding.ID, format string, args ...any) {
	if !c.found.Has(id) {
		c.found.Add(id)
		c.h.Issues = append(c.h.Issues, Issue{id, answer, fmt.Sprintf(format, args...)})
	}
}

func (c *checker) meant() bool {
	if r := c.Request; r != nil && (r.Header.HasToken("upgrade", "websocket") ||
		r.Header.Get(fieldKey) != nil || r.Header.Get(fieldVersion) != nil) {
		return true
	}
	if r := c.Response; r != nil {
		switch r.Status {
		case 101:
			return r.Header.Get(fieldAccept) != nil || r.Header.HasToken("upgrade", "websocket")
		case 426: // the server wants an upgrade, and does not say to something else
			return r.Header.Get("upgrade") == nil || r.Header.HasToken("upgrade", "websocket")
		}
	}
	return false
}

// request makes the checks of RFC 6455 section 4.2.1.
func (c *checker) request() {
	r := c.Request
	if r == nil {
		return
	}
	key, version := r.Header.Get(fieldKey), r.Header.Get(fieldVersion)
	switch {
	case r.Header.HasToken("upgrade", "websocket"):
	case c.RequestCut && r.Header.Get("upgrade") == nil:
	case key != nil || version != nil:
		// Hop-by-hop fields are gone, end-to-end fields are not: a hop did it,
		// and what else looks wrong with the head is its work as well.
		c.add(false, finding.ProxyStripsUpgrade, "Sec-WebSocket-%s is there; %s, %s, HTTP/%s",
			map[bool]string{true: "Key", false: "Version"}[key != nil], show(r.Header, "Upgrade"), show(r.Header, "Connection"), r.Version)
		return
	default:
		c.add(false, finding.UpgradeMissing, "%s, expected websocket", show(r.Header, "Upgrade"))
		return
	}
	if string(r.Method) != "GET" {
		c.add(false, finding.MethodNotGet, "found %.32s, expected GET", r.Method)
	}
	if string(r.Version) == "1.0" {
		c.add(false, finding.RequestHTTP10, "found HTTP/1.0, expected HTTP/1.1")
	}
	if !r.Header.HasToken("connection", "upgrade") && !(c.RequestCut && r.Header.Get("connection") == nil) {
		c.add(false, finding.ConnectionHeader, "%s, expected Upgrade", show(r.Header, "Connection"))
	}
	switch n := r.Header.Count(fieldKey); {
	case n == 0 && c.RequestCut:
	case n == 0:
		c.add(false, finding.KeyMissing, "no Sec-WebSocket-Key field")
	case n > 1:
		c.add(false, finding.KeyDuplicate, "%d Sec-WebSocket-Key fields, expected one", n)
	default:
		if n := keyLength(key); n != 16 {
			c.add(false, finding.KeyNot16Bytes, "%s, %s, expected 16 bytes in base64", show(r.Header, "Sec-WebSocket-Key"),
				map[bool]string{true: "no base64", false: fmt.Sprintf("%d bytes", n)}[n < 0])
		}
	}
	if n := r.Header.Count(fieldVersion); n > 1 {
		c.add(false, finding.VersionUnsupported, "%d Sec-WebSocket-Version fields, expected one", n)
	} else if string(version) != "13" && !(c.RequestCut && version == nil) {
		c.add(false, finding.VersionUnsupported, "%s, expected 13", show(r.Header, "Sec-WebSocket-Version"))
	}
}

// keyLength returns how many bytes key stands for, or -1 for what is no base64.
func keyLength(key []byte) int {
	if len(key) > 64 {
		return base64.StdEncoding.DecodedLen(len(key))
	}
	var buf [64]byte
	n, err := base64.StdEncoding.Decode(buf[:], key)
	if err != nil {
		return -1
	}
	return n
}

// response makes the checks of RFC 6455 section 4.1 and RFC 7692 section 7.1.
func (c *checker) response() {
	c.n = negotiate(c.Request, c.Response)
	if err := c.n.offerErr; err != nil {
		c.add(false, finding.ExtensionOfferInvalid, "Sec-WebSocket-Extensions: %v", err)
	}
	r := c.Response
	if c.Informational {
		c.add(true, finding.InformationalResponse, "a response below 200 came before this one")
	}
	if r == nil {
		return
	}
	if r.LFOnly {
		c.add(true, finding.ResponseLFOnly, "a line ends in a bare line feed")
	}
	if r.Status != 101 {
		c.failed()
		return
	}
	c.h.Deflate, c.h.Other, c.h.Client, c.h.Server = c.n.deflate, c.n.other, c.n.client, c.n.server
	if string(r.Version) == "1.0" {
		c.add(true, finding.ResponseHTTP10, "found HTTP/1.0 101, expected HTTP/1.1")
	}
	cut := func(name string) bool { return c.ResponseCut && r.Header.Get(name) == nil }
	if !r.Header.HasToken("upgrade", "websocket") && !cut("upgrade") {
		c.add(true, finding.ResponseUpgradeMissing, "%s, expected websocket", show(r.Header, "Upgrade"))
	}
	if !r.Header.HasToken("connection", "upgrade") && !cut("connection") {
		c.add(true, finding.ResponseConnectionMissing, "%s, expected Upgrade", show(r.Header, "Connection"))
	}
	if !cut(fieldAccept) {
		c.accept()
	}
	c.subprotocol()
	if err := c.n.unrequested; err != nil && !c.RequestCut {
		c.add(true, finding.ExtensionUnrequested, "Sec-WebSocket-Extensions: %v", err)
	}
	if err := c.n.answerErr; err != nil && !c.RequestCut {
		c.add(true, finding.ExtensionParameter, "Sec-WebSocket-Extensions: %v", err)
	}
	c.headSize()
}

func (c *checker) accept() {
	h := c.Response.Header
	found := h.Get(fieldAccept)
	switch n := h.Count(fieldAccept); {
	case n == 0:
		c.h.Accept = No
		c.add(true, finding.AcceptMissing, "no Sec-WebSocket-Accept field")
		return
	case n > 1:
		c.add(true, finding.AcceptDuplicate, "%d Sec-WebSocket-Accept fields, expected one", n)
	}
	if c.Request == nil {
		return
	}
	key := c.Request.Header.Get(fieldKey)
	if key == nil {
		return
	}
	c.h.Accept = Yes
	if expected := AcceptKey(key); expected != string(found) {
		c.h.Accept = No
		c.add(true, finding.AcceptMismatch, "expected %s, found %.64s", expected, found)
	}
}

func (c *checker) subprotocol() {
	chosen := 0
	for p := range c.Response.Header.List(fieldProtocol) {
		if chosen++; chosen == 1 {
			c.h.Subprotocol = p
		}
	}
	fields := c.Response.Header.Count(fieldProtocol)
	if chosen > 1 {
		c.add(true, finding.SubprotocolMultiple, "%d subprotocols, expected one", chosen)
	}
	if c.Request == nil {
		return
	}
	offered, match := 0, false
	for p := range c.Request.Header.List(fieldProtocol) {
		if offered++; offered > maxProtocols {
			break
		}
		match = match || bytes.Equal(p, c.h.Subprotocol)
	}
	switch {
	case chosen == 0 && fields > 0:
		c.add(true, finding.SubprotocolUnrequested, "an empty Sec-WebSocket-Protocol field")
	case c.RequestCut, chosen == 0 && c.ResponseCut:
	case chosen == 0 && offered > 0:
		c.add(true, finding.SubprotocolNotSelected, "%d offered, none chosen", offered)
	case chosen > 0 && offered == 0:
		c.add(true, finding.SubprotocolUnrequested, "%.40s was chosen, none was offered", c.h.Subprotocol)
	case chosen > 0 && !match && offered <= maxProtocols:
		c.add(true, finding.SubprotocolUnrequested, "%.40s is not one of the %d that were offered", c.h.Subprotocol, offered)
	}
}

// headSize compares with what clients accept: node 16 KiB of head, python 8 KiB
// of line.
func (c *checker) headSize() {
	const head, line = 16 << 10, 8 << 10
	if c.Response.Size > head {
		c.add(true, finding.ResponseHeaderTooLarge, "the head has %d bytes; some clients stop at %d", c.Response.Size, head)
		return
	}
	for _, f := range c.Response.Header {
		if n := len(f.Name) + len(f.Value) + len(": \r\n"); n > line {
			c.add(true, finding.ResponseHeaderTooLarge, "%.40s has %d bytes; some clients stop at %d", f.Name, n, line)
		}
	}
}

// broken has the findings after which RFC 6455 section 4 allows no session.
var broken = []finding.ID{
	finding.ProxyStripsUpgrade, finding.UpgradeMissing, finding.MethodNotGet, finding.RequestHTTP10,
	finding.ConnectionHeader, finding.KeyMissing, finding.KeyDuplicate, finding.KeyNot16Bytes,
	finding.VersionUnsupported, finding.ResponseHTTP10, finding.ResponseUpgradeMissing,
	finding.ResponseConnectionMissing, finding.AcceptMissing, finding.AcceptDuplicate, finding.AcceptMismatch,
	finding.SubprotocolMultiple, finding.SubprotocolUnrequested, finding.ExtensionUnrequested,
	finding.ExtensionParameter,
}

func (c *checker) verdict() {
	if c.Response != nil && c.Response.Status != 101 {
		c.h.OK = No
		return
	}
	for _, id := range broken {
		if c.found.Has(id) {
			c.h.OK = No
			return
		}
	}
	if c.Request != nil && c.Response != nil && !c.RequestCut && !c.ResponseCut {
		c.h.OK = Yes
	}
}

// show returns a field as evidence: "Upgrade: h2c", or "no Upgrade field".
func show(h http1.Header, name string) string {
	v := h.Get(name)
	if v == nil {
		return "no " + name + " field"
	}
	return fmt.Sprintf("%s: %.60s", name, v)
}
