// Package finding is the catalogue of what can be wrong with a session: a
// stable id for each, how severe it is, its cause and its fix.
package finding

import (
	"iter"
	"math/bits"
	"strconv"
	"strings"
)

// An ID names one kind of finding. Ids are short kebab-case words that never
// change once they are released; the numbers behind them may.
//
// The IDs 3000 to 4999 are the close codes of libraries and applications:
// close-3000 to close-4999.
type ID uint16

// None is the zero ID: no finding.
const None ID = 0

// The kinds of findings.
const (
	AbnormalFIN ID = iota + 1
	AbnormalRST
	AcceptDuplicate
	AcceptMismatch
	AcceptMissing
	ALPNH2
	CaptureGap
	Close1002
	Close1003
	Close1007
	Close1008
	Close1009
	Close1010
	Close1011
	Close1012
	Close1013
	Close1014
	Close1015
	CloseCodeInvalid
	CloseCodeReserved
	ClosePayload1
	CloseReasonUTF8
	CloseTimeout
	ClosedBeforeResponse
	ConnectionEvicted
	ConnectionHeader
	ControlTooLong
	DataAfterClose
	DNSNXDOMAIN
	ExtensionOfferInvalid
	ExtensionParameter
	ExtensionUnrequested
	FileTruncated
	FragmentedControl
	FramingChecksum
	FramingError
	FramingTruncated
	HandshakeTimeout
	HTTP200
	HTTP400
	HTTP401
	HTTP403Origin
	HTTP403Other
	HTTP404
	HTTP429
	HTTP500
	HTTP503
	HTTPAfter101
	HTTPStatus
	HTTPRedirect
	HTTP2Listener
	HTTP2OnlyServer
	InflateBomb
	InflateFailed
	InflateHistoryLost
	InformationalResponse
	InternalError
	InvalidUTF8
	KeepaliveTimeout
	KeyDuplicate
	KeyMissing
	KeyNot16Bytes
	LengthNotMinimal
	LinkTypeUnreadable
	MaskMissing
	MaskUnexpected
	MessageInterleaved
	MessageTooBig
	MethodNotGet
	Midstream
	NotHTTP
	OneDirection
	OverlapConflict
	PlainToTLSPort
	Proxy407
	Proxy502
	Proxy503
	Proxy504
	ProxyIdleTimeout
	ProxyRestart
	ProxyStripsUpgrade
	RequestHeaderTooLarge
	RequestHTTP10
	ReservedOpcode
	ResetBeforeResponse
	ResponseConnectionMissing
	ResponseHeaderTooLarge
	ResponseHTTP10
	ResponseLFOnly
	ResponseTruncated
	ResponseUpgradeMissing
	RSVWithoutExtension
	SnaplenCut
	StickySession400
	SubprotocolMultiple
	SubprotocolNotSelected
	SubprotocolUnrequested
	TCPRefused
	TCPSYNTimeout
	TLSCertificate
	TLSCertificateName
	TLSClosedEarly
	TLSToPlainPort
	TruncatedFrame
	UndecodedBytes
	UnexpectedContinuation
	UnsupportedData
	UpgradeMissing
	VersionUnsupported
	count = iota + 1
)

// Close codes of the library and application ranges (RFC 6455 section 7.4.2)
// that are known by their number.
const (
	Close3000 ID = 3000
	Close4401 ID = 4401
)

const (
	firstAppCode = 3000
	lastAppCode  = 4999
	closePrefix  = "close-"
)

var names = [count]string{
	AbnormalFIN:               "abnormal-fin",
	AbnormalRST:               "abnormal-rst",
	AcceptDuplicate:           "accept-duplicate",
	AcceptMismatch:            "accept-mismatch",
	AcceptMissing:             "accept-missing",
	ALPNH2:                    "alpn-h2",
	CaptureGap:                "capture-gap",
	Close1002:                 "close-1002",
	Close1003:                 "close-1003",
	Close1007:                 "close-1007",
	Close1008:                 "close-1008",
	Close1009:                 "close-1009",
	Close1010:                 "close-1010",
	Close1011:                 "close-1011",
	Close1012:                 "close-1012",
	Close1013:                 "close-1013",
	Close1014:                 "close-1014",
	Close1015:                 "close-1015",
	ConnectionEvicted:         "connection-evicted",
	CloseCodeInvalid:          "close-code-invalid",
	CloseCodeReserved:         "close-code-reserved",
	ClosePayload1:             "close-payload-1",
	CloseReasonUTF8:           "close-reason-utf8",
	CloseTimeout:              "close-timeout",
	ClosedBeforeResponse:      "closed-before-response",
	ConnectionHeader:          "connection-header",
	ControlTooLong:            "control-too-long",
	DataAfterClose:            "data-after-close",
	DNSNXDOMAIN:               "dns-nxdomain",
	ExtensionOfferInvalid:     "extension-offer-invalid",
	ExtensionParameter:        "extension-parameter",
	ExtensionUnrequested:      "extension-unrequested",
	FileTruncated:             "file-truncated",
	FragmentedControl:         "fragmented-control",
	FramingChecksum:           "framing-checksum",
	FramingError:              "framing-error",
	FramingTruncated:          "framing-truncated",
	HandshakeTimeout:          "handshake-timeout",
	HTTP200:                   "http-200",
	HTTP400:                   "http-400",
	HTTP401:                   "http-401",
	HTTP403Origin:             "http-403-origin",
	HTTP403Other:              "http-403-other",
	HTTP404:                   "http-404",
	HTTP429:                   "http-429",
	HTTP500:                   "http-500",
	HTTP503:                   "http-503",
	HTTPAfter101:              "http-after-101",
	HTTPStatus:                "http-status",
	HTTPRedirect:              "http-redirect",
	HTTP2Listener:             "http2-listener",
	HTTP2OnlyServer:           "http2-only-server",
	InflateBomb:               "inflate-bomb",
	InflateFailed:             "inflate-failed",
	InflateHistoryLost:        "inflate-history-lost",
	InformationalResponse:     "informational-response",
	InternalError:             "internal-error",
	InvalidUTF8:               "invalid-utf8",
	KeepaliveTimeout:          "keepalive-timeout",
	KeyDuplicate:              "key-duplicate",
	KeyMissing:                "key-missing",
	KeyNot16Bytes:             "key-not-16-bytes",
	LengthNotMinimal:          "length-not-minimal",
	LinkTypeUnreadable:        "link-type-unreadable",
	MaskMissing:               "mask-missing",
	MaskUnexpected:            "mask-unexpected",
	MessageInterleaved:        "message-interleaved",
	MessageTooBig:             "message-too-big",
	MethodNotGet:              "method-not-get",
	Midstream:                 "mid-stream",
	NotHTTP:                   "not-http",
	OneDirection:              "one-direction",
	OverlapConflict:           "overlap-conflict",
	PlainToTLSPort:            "plain-to-tls-port",
	Proxy407:                  "proxy-407",
	Proxy502:                  "proxy-502",
	Proxy503:                  "proxy-503",
	Proxy504:                  "proxy-504",
	ProxyIdleTimeout:          "proxy-idle-timeout",
	ProxyRestart:              "proxy-restart",
	ProxyStripsUpgrade:        "proxy-strips-upgrade",
	RequestHeaderTooLarge:     "request-header-too-large",
	RequestHTTP10:             "request-http10",
	ReservedOpcode:            "reserved-opcode",
	ResetBeforeResponse:       "reset-before-response",
	ResponseConnectionMissing: "response-connection-missing",
	ResponseHeaderTooLarge:    "response-header-too-large",
	ResponseHTTP10:            "response-http10",
	ResponseLFOnly:            "response-lf-only",
	ResponseTruncated:         "response-truncated",
	ResponseUpgradeMissing:    "response-upgrade-missing",
	RSVWithoutExtension:       "rsv-without-extension",
	SnaplenCut:                "snaplen-cut",
	StickySession400:          "sticky-session-400",
	SubprotocolMultiple:       "subprotocol-multiple",
	SubprotocolNotSelected:    "subprotocol-not-selected",
	SubprotocolUnrequested:    "subprotocol-unrequested",
	TCPRefused:                "tcp-refused",
	TCPSYNTimeout:             "tcp-syn-timeout",
	TLSCertificate:            "tls-certificate",
	TLSCertificateName:        "tls-certificate-name",
	TLSClosedEarly:            "tls-closed-early",
	TLSToPlainPort:            "tls-to-plain-port",
	TruncatedFrame:            "truncated-frame",
	UndecodedBytes:            "undecoded-bytes",
	UnexpectedContinuation:    "unexpected-continuation",
	UnsupportedData:           "unsupported-data",
	UpgradeMissing:            "upgrade-missing",
	VersionUnsupported:        "version-unsupported",
}

// Close returns the ID of a close code that says something went wrong: 1002,
// 1003, 1007 to 1014, and 3000 to 4999. It returns None for the others: they are
// an ordinary end (1000, 1001), or break a rule that has an ID of its own.
func Close(code uint16) ID {
	switch {
	case code == 1002, code == 1003:
		return Close1002 + ID(code-1002)
	case code >= 1007 && code <= 1014:
		return Close1007 + ID(code-1007)
	case code >= firstAppCode && code <= lastAppCode:
		return ID(code)
	}
	return None
}

func (id ID) app() bool { return id >= firstAppCode && id <= lastAppCode }

// String returns the id as it is written in records, such as
// "accept-mismatch", or "" for an ID that does not exist.
func (id ID) String() string {
	switch {
	case int(id) < len(names):
		return names[id]
	case id.app():
		return closePrefix + strconv.Itoa(int(id))
	}
	return ""
}

// Parse returns the ID that is written s, or false when there is none.
func Parse(s string) (ID, bool) {
	if s == "" {
		return None, false
	}
	for id, name := range names {
		if name == s {
			return ID(id), true
		}
	}
	if digits, ok := strings.CutPrefix(s, closePrefix); ok && len(digits) == 4 {
		if n, err := strconv.ParseUint(digits, 10, 16); err == nil && ID(n).app() {
			return ID(n), true
		}
	}
	return None, false
}

// All ranges over the IDs of the catalogue in alphabetical order of their
// constants. Of the close codes 3000 to 4999 it yields the two that have a
// constant.
func All() iter.Seq[ID] {
	return func(yield func(ID) bool) {
		for id := ID(1); id < count; id++ {
			if !yield(id) {
				return
			}
		}
		_ = yield(Close3000) && yield(Close4401)
	}
}

// A Set is a set of IDs. The zero Set is empty. Of the close codes 3000 to 4999
// it holds two, one for each side of a session; more are dropped.
type Set struct {
	bits [(count + 63) / 64]uint64
	apps [2]ID
}

// Add puts id into the set. Adding None does nothing.
func (s *Set) Add(id ID) {
	switch {
	case id == None:
	case id < count:
		s.bits[id/64] |= 1 << (id % 64)
	case id.app():
		if s.apps[0] == None || s.apps[0] == id {
			s.apps[0] = id
		} else if s.apps[1] == None {
			s.apps[1] = id
		}
	}
}

// Has reports whether id is in the set.
func (s Set) Has(id ID) bool {
	switch {
	case id == None:
		return false
	case id < count:
		return s.bits[id/64]&(1<<(id%64)) != 0
	}
	return s.apps[0] == id || s.apps[1] == id
}

// Empty reports whether nothing is in the set.
func (s *Set) Empty() bool {
	for _, w := range s.bits {
		if w != 0 {
			return false
		}
	}
	return s.apps[0] == None // the second comes after the first
}

// Len counts the IDs in the set.
func (s Set) Len() (n int) {
	if s.Empty() {
		return 0
	}
	for _, w := range s.bits {
		n += bits.OnesCount64(w)
	}
	for _, id := range s.apps {
		if id != None {
			n++
		}
	}
	return n
}

// Union adds all of t to the set.
func (s *Set) Union(t Set) {
	for i := range s.bits {
		s.bits[i] |= t.bits[i]
	}
	s.Add(t.apps[0])
	s.Add(t.apps[1])
}

// At returns the ID number i of the set, counted from 0 in the order of All, or
// None when the set has fewer.
func (s Set) At(i int) ID {
	if i < 0 {
		return None
	}
	for w, word := range s.bits {
		n := bits.OnesCount64(word)
		if i >= n {
			i -= n
			continue
		}
		for ; i > 0; i-- {
			word &= word - 1
		}
		return ID(w*64 + bits.TrailingZeros64(word))
	}
	if i < len(s.apps) {
		return s.apps[i]
	}
	return None
}

// All ranges over the set in the order of the constants, close codes 3000 to
// 4999 last.
func (s Set) All() iter.Seq[ID] {
	return func(yield func(ID) bool) {
		for i, w := range s.bits {
			for ; w != 0; w &= w - 1 {
				if !yield(ID(i*64 + bits.TrailingZeros64(w))) {
					return
				}
			}
		}
		for _, id := range s.apps {
			if id != None && !yield(id) {
				return
			}
		}
	}
}
