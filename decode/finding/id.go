// Package finding is the catalogue of what can be wrong with a session: a
// stable id for each, how severe it is, its cause and its fix.
package finding

import (
	"iter"
	"math/bits"
)

// An ID names one kind of finding. Ids are short kebab-case words that never
// change once they are released; the numbers behind them may.
type ID uint8

// None is the zero ID: no finding.
const None ID = 0

// The kinds of findings.
const (
	AbnormalFIN ID = iota + 1
	AbnormalRST
	AcceptDuplicate
	AcceptMismatch
	AcceptMissing
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
	Close3000
	Close4401
	CloseCodeInvalid
	CloseCodeReserved
	ClosePayload1
	CloseReasonUTF8
	CloseTimeout
	ClosedBeforeResponse
	ConnectionHeader
	ControlTooLong
	DataAfterClose
	DNSNXDOMAIN
	ExtensionOfferInvalid
	ExtensionParameter
	ExtensionUnrequested
	FragmentedControl
	HandshakeTimeout
	HTTP200
	HTTP401
	HTTP403Origin
	HTTP403Other
	HTTP404
	HTTP429
	HTTP500
	HTTP503
	HTTPAfter101
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
	MaskMissing
	MaskUnexpected
	MessageInterleaved
	MessageTooBig
	MethodNotGet
	NotHTTP
	OverlapConflict
	PlainToTLSPort
	Proxy407
	Proxy502
	Proxy503
	Proxy504
	ProxyIdleTimeout
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
	TLSToPlainPort
	TruncatedFrame
	UndecodedBytes
	UnexpectedContinuation
	UnsupportedData
	UpgradeMissing
	VersionUnsupported
	count = iota + 1
)

var names = [count]string{
	AbnormalFIN:               "abnormal-fin",
	AbnormalRST:               "abnormal-rst",
	AcceptDuplicate:           "accept-duplicate",
	AcceptMismatch:            "accept-mismatch",
	AcceptMissing:             "accept-missing",
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
	Close3000:                 "close-3000",
	Close4401:                 "close-4401",
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
	FragmentedControl:         "fragmented-control",
	HandshakeTimeout:          "handshake-timeout",
	HTTP200:                   "http-200",
	HTTP401:                   "http-401",
	HTTP403Origin:             "http-403-origin",
	HTTP403Other:              "http-403-other",
	HTTP404:                   "http-404",
	HTTP429:                   "http-429",
	HTTP500:                   "http-500",
	HTTP503:                   "http-503",
	HTTPAfter101:              "http-after-101",
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
	MaskMissing:               "mask-missing",
	MaskUnexpected:            "mask-unexpected",
	MessageInterleaved:        "message-interleaved",
	MessageTooBig:             "message-too-big",
	MethodNotGet:              "method-not-get",
	NotHTTP:                   "not-http",
	OverlapConflict:           "overlap-conflict",
	PlainToTLSPort:            "plain-to-tls-port",
	Proxy407:                  "proxy-407",
	Proxy502:                  "proxy-502",
	Proxy503:                  "proxy-503",
	Proxy504:                  "proxy-504",
	ProxyIdleTimeout:          "proxy-idle-timeout",
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
	TLSToPlainPort:            "tls-to-plain-port",
	TruncatedFrame:            "truncated-frame",
	UndecodedBytes:            "undecoded-bytes",
	UnexpectedContinuation:    "unexpected-continuation",
	UnsupportedData:           "unsupported-data",
	UpgradeMissing:            "upgrade-missing",
	VersionUnsupported:        "version-unsupported",
}

// String returns the id as it is written in records, such as
// "accept-mismatch", or "" for an ID that does not exist.
func (id ID) String() string {
	if int(id) < len(names) {
		return names[id]
	}
	return ""
}

// Parse returns the ID that is written s, or false when there is none.
func Parse(s string) (ID, bool) {
	for id, name := range names {
		if name == s && s != "" {
			return ID(id), true
		}
	}
	return None, false
}

// A Set is a set of IDs. The zero Set is empty.
type Set struct{ bits [(count + 63) / 64]uint64 }

// Add puts id into the set. Adding None does nothing.
func (s *Set) Add(id ID) {
	if id != None && int(id) < count {
		s.bits[id/64] |= 1 << (id % 64)
	}
}

// Has reports whether id is in the set.
func (s Set) Has(id ID) bool { return int(id) < count && s.bits[id/64]&(1<<(id%64)) != 0 }

// Empty reports whether nothing is in the set.
func (s Set) Empty() bool { return s == Set{} }

// Union adds all of t to the set.
func (s *Set) Union(t Set) {
	for i := range s.bits {
		s.bits[i] |= t.bits[i]
	}
}

// All ranges over the set in the order of the constants.
func (s Set) All() iter.Seq[ID] {
	return func(yield func(ID) bool) {
		for i, w := range s.bits {
			for ; w != 0; w &= w - 1 {
				if !yield(ID(i*64 + bits.TrailingZeros64(w))) {
					return
				}
			}
		}
	}
}
