package mptcpctl

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf16"

	"framescope/probes/sockdiag"
)

// Verdict says in a word how many paths the connection has now: "multipath"
// (established subflows over two links or more), "one-cable" (several, all over
// the same link), "single-path", "fallback" (it is plain TCP), "no-path" (it is
// open, and no subflow is established) or "closed". What they carry is another question: see
// SubflowInfo.Moved.
func (c *Connection) Verdict() string {
	n := c.Established()
	switch {
	case c.Fallback != NoFallback:
		return "fallback"
	case n == 0 && c.State == sockdiag.Established:
		return "no-path"
	case n == 0:
		return "closed"
	case n == 1:
		return "single-path"
	case c.Links() < 2:
		return "one-cable"
	}
	return "multipath"
}

// MarshalJSON writes what AppendJSON appends.
func (c *Connection) MarshalJSON() ([]byte, error) { return c.AppendJSON(nil), nil }

// AppendJSON appends the connection as a JSON object with its subflows in it.
// Its keys are stable. Data sequence numbers have 64 bits, more than a number of
// JSON holds everywhere: they are texts of hexadecimal digits.
func (c *Connection) AppendJSON(b []byte) []byte {
	b = append(b, '{')
	if c.Token != 0 {
		b = appendToken(append(b, `"token":`...), c.Token)
		b = append(b, ',')
	}
	b = append(append(append(b, `"verdict":"`...), c.Verdict()...), `","state":"`...)
	b = appendState(b, c.State.String())
	b = append(b, `","fallback":`...)
	if c.Fallback == NoFallback {
		b = append(b, "null"...)
	} else {
		b = append(append(append(b, '"'), c.Fallback.String()...), '"')
	}
	b = appendBool(b, "accepted", c.Accepted)
	b = appendPeer(b, "local", c.Local, -1)
	b = appendPeer(b, "remote", c.Remote, -1)
	b = append(b, `,"owner":{"uid":`...)
	b = strconv.AppendUint(b, uint64(c.UID), 10)
	if c.Owner.PID != 0 {
		b = strconv.AppendInt(append(b, `,"pid":`...), int64(c.Owner.PID), 10)
		b = appendText(b, "command", c.Owner.Command)
	}
	b = append(b, '}')
	b = appendUint(b, "inode", uint64(c.Inode))
	b = appendUint(b, "subflows", uint64(len(c.Subflows)))
	b = appendUint(b, "subflows_established", uint64(c.Established()))
	b = appendUint(b, "links", uint64(c.Links()))
	if i := &c.Info; i.Len > 0 {
		b = appendUint(b, "subflows_attempted", uint64(i.Subflows))
		b = appendUint(b, "subflows_limit", uint64(i.SubflowsMax))
		b = appendUint(b, "endpoints_used", uint64(i.LocalAddrUsed))
		b = appendUint(b, "addresses_signalled", uint64(i.AddAddrSignal))
		b = appendUint(b, "addresses_accepted", uint64(i.AddAddrAccepted))
		b = appendUint(b, "addresses_limit", uint64(i.AddAddrAcceptedMax))
		b = appendBool(b, "checksum", i.CsumEnabled)
		b = appendHex(b, "write_seq", i.WriteSeq)
		b = appendHex(b, "snd_una", i.SndUna)
		b = appendHex(b, "rcv_nxt", i.RcvNxt)
		b = appendUint(b, "bytes_sent", i.BytesSent)
		b = appendUint(b, "bytes_acked", i.BytesAcked)
		b = appendUint(b, "bytes_received", i.BytesReceived)
		b = appendUint(b, "bytes_retransmitted", i.BytesRetrans)
		b = appendUint(b, "retransmits", uint64(i.Retransmits))
	}
	b = append(b, `,"subflow":[`...)
	for i := range c.Subflows {
		if i > 0 {
			b = append(b, ',')
		}
		b = c.Subflows[i].AppendJSON(b)
	}
	return append(b, "]}"...)
}

// MarshalJSON writes what AppendJSON appends.
func (s *SubflowInfo) MarshalJSON() ([]byte, error) { return s.AppendJSON(nil), nil }

// AppendJSON appends the subflow as a JSON object. Its keys are stable.
func (s *SubflowInfo) AppendJSON(b []byte) []byte {
	kind := "initial"
	if s.Join() {
		kind = "join"
	}
	b = append(append(append(b, `{"kind":"`...), kind...), `","state":"`...)
	b = append(appendState(b, s.State.String()), '"')
	b = appendBool(b, "established", s.Established())
	b = appendBool(b, "backup", s.Backup())
	if s.Join() {
		b = appendBool(b, "opened_here", s.Opened())
	}
	b = appendPeer(b, "local", s.Local, int(s.LocalID))
	b = appendPeer(b, "remote", s.Remote, int(s.RemoteID))
	b = append(append(append(b, `,"flags":"`...), s.Flags.String()...), '"')
	if s.PeerToken != 0 {
		b = appendToken(append(b, `,"peer_token":`...), s.PeerToken)
	}
	b = append(b, `,"path":{`...)
	switch {
	case s.Path.Err != "":
		b = append(appendText(b, "error", s.Path.Err), '}')
	default:
		b = appendText(b, "dev", s.Path.Dev)
		if s.Path.Lower != "" {
			b = appendText(b, "lower", s.Path.Lower)
		}
		if s.Path.Gateway.IsValid() {
			b = s.Path.Gateway.AppendTo(append(b, `,"gateway":"`...))
			b = append(b, '"')
		}
		b = append(b, '}')
	}
	b = appendMS(b, "rtt_ms", s.RTT)
	b = appendMS(b, "rtt_min_ms", s.MinRTT)
	b = appendMS(b, "rto_ms", s.RTO)
	b = appendUint(b, "bytes_sent", s.BytesSent)
	b = appendUint(b, "bytes_acked", s.BytesAcked)
	b = appendUint(b, "bytes_received", s.BytesReceived)
	b = appendUint(b, "bytes_retransmitted", s.BytesRetrans)
	b = appendUint(b, "segments_retransmitted", uint64(s.TotalRetrans))
	b = appendUint(b, "send_queue", uint64(s.WQueue))
	b = appendUint(b, "receive_queue", uint64(s.RQueue))
	b = appendUint(b, "cwnd", uint64(s.Cwnd))
	if s.Backoff > 0 {
		b = appendUint(b, "backoff", uint64(s.Backoff))
	}
	if s.Retransmits > 0 {
		b = appendUint(b, "unanswered", uint64(s.Retransmits))
	}
	if s.Over > 0 {
		sent, received := s.Rate()
		b = appendMS(b, "interval_ms", s.Over)
		b = appendUint(b, "acked_per_second", sent)
		b = appendUint(b, "received_per_second", received)
	}
	return append(b, '}')
}

// appendState appends the kernel's name of a state in small letters.
func appendState(b []byte, name string) []byte {
	for i := range len(name) {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}

const hexDigits = "0123456789abcdef"

func appendToken(b []byte, t Token) []byte {
	b = append(b, '"')
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, hexDigits[t>>shift&15])
	}
	return append(b, '"')
}

func appendKey(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return append(append(append(b, '"'), name...), `":`...)
}

func appendUint(b []byte, name string, v uint64) []byte {
	return strconv.AppendUint(appendKey(b, name), v, 10)
}

func appendBool(b []byte, name string, v bool) []byte {
	return strconv.AppendBool(appendKey(b, name), v)
}

func appendHex(b []byte, name string, v uint64) []byte {
	b = append(appendKey(b, name), '"')
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, hexDigits[v>>shift&15])
	}
	return append(b, '"')
}

// appendMS appends milliseconds with up to six decimals.
func appendMS(b []byte, name string, d time.Duration) []byte {
	b = appendKey(b, name)
	if d < 0 {
		d = 0
	}
	b = strconv.AppendInt(b, int64(d/time.Millisecond), 10)
	frac := int64(d % time.Millisecond)
	if frac == 0 {
		return b
	}
	b = append(b, '.')
	for unit := int64(time.Millisecond) / 10; frac > 0; unit /= 10 {
		b = append(b, byte('0'+frac/unit))
		frac %= unit
	}
	return b
}

// appendText appends a text that may hold anything, such as a process's name.
// What is no ASCII is escaped: nothing in it can turn a terminal.
func appendText(b []byte, name, v string) []byte {
	b = append(appendKey(b, name), '"')
	for _, r := range v {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r >= ' ' && r < 0x7f:
			b = append(b, byte(r))
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, hi, lo)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return append(b, '"')
}

// appendPeer appends an address; an id below zero is left out.
func appendPeer(b []byte, name string, a netip.AddrPort, id int) []byte {
	b = append(appendKey(b, name), `{"ip":"`...)
	b = a.Addr().AppendTo(b)
	b = strconv.AppendUint(append(b, `","port":`...), uint64(a.Port()), 10)
	if id >= 0 {
		b = strconv.AppendInt(append(b, `,"id":`...), int64(id), 10)
	}
	return append(b, '}')
}
