// Package protocol names the protocol of a TCP connection from the first bytes
// of both directions, whatever its ports.
//
// A name needs evidence: bytes that other protocols do not begin with. What has
// none stays without a name.
package protocol

import (
	"slices"

	"framescope/decode/framing"
)

// Limit is how many bytes of a direction are worth looking at.
const Limit = 4 << 10

// A Start is what one direction of a connection begins with.
type Start struct {
	// Data are the first bytes, at most Limit.
	Data []byte
	// Over says that nothing more will come: the direction has ended, bytes are
	// missing, or the limit is reached.
	Over bool
}

// The names.
const (
	HTTP       = "http"
	XMLRPC     = "xml-rpc"
	HTTP2      = "http2"
	GRPC       = "grpc"
	TLS        = "tls"
	AMQP       = "amqp"
	ZMTP       = "zmtp"
	MQTT       = "mqtt"
	Redis      = "redis"
	PostgreSQL = "postgresql"
	MySQL      = "mysql"
	SSH        = "ssh"
	SMTP       = "smtp"
	FTP        = "ftp"
	POP3       = "pop3"
	IMAP       = "imap"
	Telnet     = "telnet"
	IRC        = "irc"
	XMPP       = "xmpp"
	RTSP       = "rtsp"
	NATS       = "nats"
	STOMP      = "stomp"
	Kafka      = "kafka"
	MongoDB    = "mongodb"
	Cassandra  = "cassandra"
	TDS        = "tds"
	Memcached  = "memcached"
	LDAP       = "ldap"
	SMB        = "smb"
	RDP        = "rdp"
	VNC        = "vnc"
	DCERPC     = "dcerpc"
	BGP        = "bgp"
	SOCKS      = "socks"
	OpenFlow   = "openflow"
	Diameter   = "diameter"
	Rsync      = "rsync"
	Thrift     = "thrift"
	TNS        = "tns"
	Git        = "git"
	Bolt       = "bolt"
	OpenWire   = "openwire"
	JSONLines  = "json-lines"
)

// Names returns all names, but for those of framings and for that of WebSocket,
// which a handshake tells.
func Names() []string {
	names := []string{XMLRPC, GRPC}
	for _, r := range rules {
		if r.name == midstreams {
			continue
		}
		names = append(names, r.name)
	}
	slices.Sort(names)
	return names
}

// midstreams stands for the rule that knows several protocols by what is in their
// middle.
const midstreams = "midstream"

// A verdict is what a rule says.
type verdict uint8

const (
	no    verdict = iota
	maybe         // more bytes are needed
	more          // it is the protocol; more bytes would tell more
	yes
)

// rules are in the order in which they are asked. A rule looks at few bytes
// unless these speak for its protocol.
var rules = []struct {
	name string
	fits func(client, server Start) (name string, v verdict)
}{
	{TLS, isTLS}, {HTTP, isHTTP}, {HTTP2, isHTTP2}, {SSH, isSSH}, {AMQP, isAMQP}, {ZMTP, isZMTP}, {MQTT, isMQTT},
	{Redis, isRedis}, {PostgreSQL, isPostgreSQL}, {MySQL, isMySQL}, {SMTP, isSMTP}, {FTP, isFTP}, {POP3, isPOP3}, {IMAP, isIMAP},
	{SMB, isSMB}, {LDAP, isLDAP}, {RDP, isRDP}, {VNC, isVNC}, {Kafka, isKafka}, {MongoDB, isMongoDB}, {Cassandra, isCassandra},
	{Memcached, isMemcached}, {NATS, isNATS}, {STOMP, isSTOMP}, {XMPP, isXMPP}, {RTSP, isRTSP}, {SIP, isSIP}, {IRC, isIRC},
	{TDS, isTDS}, {DCERPC, isDCERPC}, {BGP, isBGP}, {BitTorrent, isBitTorrent}, {SOCKS, isSOCKS}, {Rsync, isRsync}, {Thrift, isThrift}, {Telnet, isTelnet},
	{Diameter, isDiameter}, {DNS, isDNSStream}, {RPC, isRPC}, {OpenFlow, isOpenFlow}, {Syslog, isSyslogStream}, {TNS, isTNS},
	{Git, isGit}, {Bolt, isBolt}, {OpenWire, isOpenWire}, {midstreams, isMidstream}, {JSONLines, isJSONLines},
}

// Identify returns the name of what a connection carries, "" if the bytes do not
// tell. More says that more bytes may tell, or tell more.
//
// Framings are those that a user declared: one that has a magic is recognised by
// it. Of the framings that are built in, only those whose first frame has a right
// checksum are.
func Identify(client, server Start, framings []*framing.Framing) (name string, again bool) {
	if len(client.Data)+len(server.Data) == 0 {
		return "", !client.Over || !server.Over
	}
	if n, more := Preface(client); more {
		return "", true
	} else if n > 0 {
		client.Data = client.Data[n:]
		if len(client.Data)+len(server.Data) == 0 {
			return "", !client.Over || !server.Over
		}
	}
	for i := range rules {
		name, v := rules[i].fits(client, server)
		switch v {
		case yes:
			return name, false
		case more:
			return name, true
		case maybe:
			again = true
		}
	}
	name, v := isFraming(client, server, framings)
	if v == yes {
		return name, false
	}
	return "", again || v == maybe
}

// begins reports whether d begins with s.
func begins(d Start, s string) verdict {
	n := min(len(d.Data), len(s))
	switch {
	case string(d.Data[:n]) != s[:n]:
		return no
	case n == len(s):
		return yes
	}
	return d.short()
}

// short is the verdict where there are too few bytes to tell.
func (d Start) short() verdict {
	if d.Over {
		return no
	}
	return maybe
}

// either asks a rule that looks at one direction about both.
func either(client, server Start, name string, fits func(Start) verdict) (string, verdict) {
	a := fits(client)
	if a >= more {
		return name, a
	}
	return name, max(a, fits(server))
}

func be16(b []byte) int { return int(b[0])<<8 | int(b[1]) }

func be24(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }

func be32(b []byte) int64 { return int64(b[0])<<24 | int64(be24(b[1:])) }

// isFraming looks for the magic of a declared framing.
func isFraming(client, server Start, framings []*framing.Framing) (string, verdict) {
	out := no
	for _, f := range framings {
		for _, d := range []Start{client, server} {
			for _, m := range f.Magics() {
				if len(m) < 3 || len(d.Data) == 0 {
					continue
				}
				switch begins(d, string(m)) {
				case yes:
					if v := decodes(f, d, false); v == yes {
						return f.Name(), yes
					} else if v == maybe {
						out = maybe
					}
				case maybe:
					out = maybe
				}
			}
		}
	}
	for _, d := range []Start{client, server} {
		if begins(d, checked) != yes {
			continue
		}
		f, err := framing.Builtin("magic-length-crc32", framing.Options{})
		if err != nil {
			continue
		}
		if v := decodes(f, d, true); v == yes {
			return f.Name(), yes
		} else if v == maybe {
			out = maybe
		}
	}
	return "", out
}

// checked is the magic of magic-length-crc32.
const checked = "\xca\xfe\xba\xbe"

// decodes reports whether d begins with a frame: its header, or all of it with a
// checksum that is right.
func decodes(f *framing.Framing, d Start, whole bool) verdict {
	dec := framing.Decoder{Framing: f}
	c, n, err := dec.Next(d.Data)
	for err == nil && c != nil && whole && !c.Last {
		var k int
		c, k, err = dec.Next(d.Data[n:])
		n += k
	}
	switch {
	case err != nil:
		return no
	case c == nil:
		return d.short()
	case !whole:
		return yes
	}
	for i := range c.Checks {
		if c.Checks[i].Unknown || !c.Checks[i].OK() {
			return no
		}
	}
	if len(c.Checks) == 0 {
		return no
	}
	return yes
}
