package websocket

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"framescope/decode"
	"framescope/decode/finding"
)

// A Handler receives what a Side finds, in the order of the stream. The values
// belong to the Side and are valid during the call.
type Handler interface {
	// Frame is called at the end of each frame, or when its end is known to be
	// missing; Message behind the last frame of a data message, or when the
	// stream ends between two of its frames. A message that is given up for
	// another reason is in its frames only.
	Frame(*Frame)
	Message(*Message)
	// Skipped is called for bytes that belong to no frame.
	Skipped(*Skipped)
}

// A Frame is one frame as it was captured.
type Frame struct {
	Header Header
	// Off is the offset of the header in the stream.
	Off int64
	// First is where the first byte of the header came from, Last the last byte
	// of the payload, or of the header when no payload was captured.
	First, Last decode.Origin
	// Captured counts the payload bytes that were captured, Lost those that are
	// known to be missing. What is in neither was not sent before the stream
	// ended: then Ended is set.
	Captured, Lost int64
	Ended          bool

	// Message is the kind of message that the frame is a part of, Text or
	// Binary, also for a continuation. It is the frame's own opcode where there
	// is no such message.
	Message Opcode
	// Compressed says that permessage-deflate applies to the payload, and
	// Inflated how many bytes it inflated to; zero when that failed.
	Compressed bool
	Inflated   int64
	// Payload is the beginning of what the frame says, unmasked; of a
	// compressed frame, what inflates out of its bytes. More says that it says
	// more than that, Text that Payload is UTF-8 text.
	Payload    []byte
	Text, More bool
	// Close is set for close frames.
	Close Status
	// Issues are the rules that the frame breaks, and what else is worth a
	// finding. Evidence puts them into words.
	Issues finding.Set

	role    Role
	badText int64 // offset in the message of what is not UTF-8
	inflate error
	bomb    int64 // what the message inflates to
}

// A Status is what a close frame says (RFC 6455 section 5.5.1).
type Status struct {
	// Code is the status code, 1005 for a frame without one. It is zero if
	// Malformed is set: the frame holds a single byte, or its first two bytes
	// were not captured.
	Code      uint16
	Malformed bool
	// Reason is the text behind the code; it may be cut, and may be no UTF-8.
	Reason []byte
}

// A Message is one data message.
type Message struct {
	// Opcode is Text or Binary.
	Opcode Opcode
	// Bytes is the length of the message, inflated, or -1 when it is not known.
	// Wire is that of the payloads of its frames.
	Bytes, Wire int64
	// Frames counts its frames.
	Frames int64
	// Compressed says that permessage-deflate applies to it.
	Compressed bool
	// Complete says that all of the message was read. Otherwise Cause says why
	// not: one of the causes below.
	Complete bool
	Cause    string
	// SHA256 is the digest of the message, nil when it was not asked for or the
	// message is not complete.
	SHA256 []byte
	// Payload is the message, or its beginning when More is set. Text says that
	// it is UTF-8 text.
	Payload    []byte
	Text, More bool
	// First and Last are where its first frame began and its last one ended;
	// Off is the offset of the first frame in the stream.
	First, Last decode.Origin
	Off         int64
	// Issues are those of its frames.
	Issues finding.Set
}

// The causes for which a message is not complete.
const (
	CauseMissing    = "bytes are missing"
	CauseInflate    = "it cannot be inflated"
	CauseHistory    = "it refers to compressed bytes that are missing"
	CauseLimit      = "it inflates to more than the limit"
	CauseUnfinished = "the stream ends before its last frame"
)

// Skipped is a part of the stream that is in no frame.
type Skipped struct {
	// Off is the offset of its first byte in the stream. Bytes of it were
	// captured, Missing more were not; they may be zero but not both.
	Off, Bytes, Missing int64
	// First and Last are where the captured bytes came from, or the gap.
	First, Last decode.Origin
	// Cause says why they were not decoded: one of the causes below.
	Cause string
	// Err is the error of the header that could not be read, if there is one.
	Err error
}

// The causes for which bytes are skipped.
const (
	CauseGap       = "the place of the next frame is lost: bytes are missing"
	CauseMidstream = "the capture begins inside the session"
	CauseHeader    = "a frame header cannot be read"
	CauseHTTP      = "HTTP follows the handshake"
	CauseCut       = "the stream ends inside a frame header"
)

// Evidence says in one line what was found and what was expected, for an id in
// f.Issues. It may hold bytes from the network.
func (f *Frame) Evidence(id finding.ID) string {
	h := &f.Header
	switch id {
	case finding.MaskMissing:
		return fmt.Sprintf("a %s frame of the client is not masked", h.Opcode)
	case finding.MaskUnexpected:
		return fmt.Sprintf("a %s frame of the server is masked", h.Opcode)
	case finding.RSVWithoutExtension:
		return fmt.Sprintf("reserved bits %03b are set in a %s frame, which no extension allows", h.RSV, h.Opcode)
	case finding.ReservedOpcode:
		return fmt.Sprintf("opcode %d is reserved", h.Opcode)
	case finding.FragmentedControl:
		return fmt.Sprintf("a %s frame without FIN", h.Opcode)
	case finding.ControlTooLong:
		return fmt.Sprintf("a %s frame with %d bytes, expected at most 125", h.Opcode, h.Length)
	case finding.UnexpectedContinuation:
		return "a continuation frame, and no message is open"
	case finding.MessageInterleaved:
		return fmt.Sprintf("a %s frame while another message is open, expected a continuation", h.Opcode)
	case finding.LengthNotMinimal:
		return fmt.Sprintf("%d bytes in %d bits of length", h.Length, int(h.LengthForm)*8)
	case finding.InvalidUTF8:
		return fmt.Sprintf("what is at offset %d of the message is no UTF-8", f.badText)
	case finding.InflateFailed, finding.InflateHistoryLost:
		return fmt.Sprint(f.inflate)
	case finding.InflateBomb:
		return fmt.Sprintf("the message inflates to %d bytes or more", f.bomb)
	case finding.DataAfterClose:
		return fmt.Sprintf("a %s frame behind a close frame", h.Opcode)
	case finding.TruncatedFrame:
		return fmt.Sprintf("the stream ends after %d of %d payload bytes", f.Captured+f.Lost, h.Length)
	case finding.HTTPAfter101:
		return fmt.Sprintf("the bytes behind the 101 are %.20q", "HT"+string(f.Payload))
	case finding.ClosePayload1:
		return "a close frame with one byte, expected none or at least two"
	case finding.CloseReasonUTF8:
		return "the reason is no UTF-8"
	case finding.CloseCodeReserved:
		return fmt.Sprintf("code %d must not be sent", f.Close.Code)
	case finding.CloseCodeInvalid:
		return fmt.Sprintf("code %d is not assigned, expected 1000 to 1003, 1007 to 1014 or 3000 to 4999", f.Close.Code)
	}
	switch {
	case h.Opcode == Close && len(f.Close.Reason) > 0:
		return fmt.Sprintf("code %d, reason %q", f.Close.Code, f.Close.Reason)
	case h.Opcode == Close:
		return fmt.Sprintf("code %d, no reason", f.Close.Code)
	}
	return ""
}

// closeStatus reads the payload of a close frame. whole says that p is all of
// it.
func closeStatus(p []byte, whole bool) Status {
	switch {
	case len(p) >= 2:
		return Status{Code: binary.BigEndian.Uint16(p), Reason: p[2:]}
	case len(p) == 0 && whole:
		return Status{Code: 1005}
	}
	return Status{Malformed: true}
}

// closeIssues returns what is wrong with the status of a close frame whose
// payload is complete, or what it says went wrong (RFC 6455 section 7.4).
func closeIssues(s Status, length int64) (issues finding.Set) {
	switch code := s.Code; {
	case s.Malformed:
		issues.Add(finding.ClosePayload1)
		return issues
	case length == 0: // 1005 is not in the frame
		return issues
	case code == 1004, code == 1005, code == 1006, code == 1015:
		issues.Add(finding.CloseCodeReserved)
	case code >= 1000 && code <= 1014, code >= 3000 && code <= 4999:
		issues.Add(CloseFinding(code, s.Reason))
	default:
		issues.Add(finding.CloseCodeInvalid)
	}
	if int64(len(s.Reason)) == length-2 && !utf8.Valid(s.Reason) {
		issues.Add(finding.CloseReasonUTF8)
	}
	return issues
}

// CloseFinding returns what the code and the reason of a close frame say went
// wrong, or None for an ordinary end. The answer to a close frame repeats its
// code, and is no finding of its own.
func CloseFinding(code uint16, reason []byte) finding.ID {
	switch {
	case (code == 1001 || code == 1012) && contains(reason, "proxy restart"):
		return finding.ProxyRestart
	case code == 1003 && (contains(reason, "binary") || contains(reason, "text")):
		return finding.UnsupportedData
	case code == 1009:
		return finding.MessageTooBig
	case code == 1011 && (contains(reason, "keepalive") || contains(reason, "ping timeout")):
		return finding.KeepaliveTimeout
	case code == 1011 && len(reason) == 0: // what a handler that failed leaves
		return finding.InternalError
	}
	return finding.Close(code)
}
