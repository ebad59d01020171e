package protocol

import (
	"strings"
	"testing"
)

// startup is what a client of PostgreSQL says first.
const startup = "\x00\x00\x00\x20\x00\x03\x00\x00user\x00postgres\x00database\x00"

// greet is how MySQL 8 greets.
const greet = "\x4a\x00\x00\x00\x0a8.0.36\x00\x08\x00\x00\x00abcdefgh\x00\xff\xff\xff\x02\x00\xff\xdf\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00ijklmnopqrst\x00mysql_native_password\x00"

// query is a question in DNS.
const query = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x01\x00\x01"

// hi is the beginning of a ClientHello with a server name and ALPN.
const hi = "\x16\x03\x01\x00\x4f\x01\x00\x00\x4b\x03\x03" +
	"01234567890123456789012345678901" + "\x00" + "\x00\x02\x13\x01" + "\x01\x00" + "\x00\x20" +
	"\x00\x00\x00\x0e\x00\x0c\x00\x00\x09a.example" + "\x00\x10\x00\x0a\x00\x08\x02h2\x04spdy"

func TestIdentify(t *testing.T) {
	post := "POST /RPC2 HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\nContent-Length: 90\r\n\r\n"
	for _, tt := range []struct{ client, server, want string }{
		{hi, "", "tls"},
		{hi[:20], "", "tls"},
		{hi[:5], "", ""},
		{"", "\x15\x03\x03\x00\x02\x02\x28", "tls"},
		{"\x16\x03\x01", "", ""},
		{"\x17\x03\x03\x00\x02ab", "", ""},
		{"\x17\x03\x03\x00\x02ab\x17\x03\x03\x00\x10", "", "tls"},
		{"GET / HTTP/1.1\r\n", "", "http"},
		{"", "HTTP/1.1 200 OK\r\n", "http"},
		{"GET anything\r\n", "", ""},
		{"OPTIONS sip:a SIP/2.0\r\n\r\n", "", "sip"},
		{post + "<?xml version=\"1.0\"?>\n<!-- x --> <methodCall><methodName>", "", "xml-rpc"},
		{post + "<?xml version=\"1.0\"?><soap:Envelope", "", "http"},
		{strings.Replace(post, "text/xml", "text/html", 1) + "<methodCall>", "", "http"},
		{preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00", "", "http2"},
		{preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + "\x00\x00\x10\x01\x04\x00\x00\x00\x01\x83\x86\x5f\x8b" + grpc + "\x64aa", "", "grpc"},
		{"", "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64", "http2"},
		{"", "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x77\x03\x00\x00\x00\x64", ""},
		{"AMQP\x00\x00\x09\x01", "", "amqp"},
		{"AMQP\x03\x01\x00\x00", "", "amqp"},
		{"AMQP is nice", "", ""},
		{"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03", "", "zmtp"},
		{"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f", "", ""},
		{"\x10\x11\x00\x04MQTT\x04\x02\x00\x3c\x00\x05abcde", "", "mqtt"},
		{"\x10\x11\x00\x04MQTT\x09", "", ""},
		{"*1\r\n$4\r\nPING\r\n", "+PONG\r\n", "redis"},
		{"PING\r\n", "+PONG\r\n", "redis"},
		{"PING\r\n", "250 ok", ""},
		{"*-532450017895590926\r\n", "", ""},
		{"*1\r\n$4\r\n\x00\x01\x02\x03\r\n", "", ""},
		{startup, "", "postgresql"},
		{"\x00\x00\x00\x08\x04\xd2\x16\x2f", "S", "postgresql"},
		{"\x00\x00\x00\x20\x00\x03\x00\x00abc\x00def\x00ghijklmnopqrstuv", "", ""},
		{"", greet, "mysql"},
		{"", "\x0a8.0.36", ""},
		{"SSH-2.0-OpenSSH_9.2\r\n", "", "ssh"},
		{"", "SSH-1.99-x\r\n", "ssh"},
		{"SSH is nice", "", ""},
		{"EHLO a\r\n", "220 mail.example ESMTP\r\n", "smtp"},
		{"HELO\r\n", "220 mail.example ESMTP\r\n", "smtp"},
		{"", "220 mail.example ESMTP Postfix\r\n", "smtp"},
		{"USER a\r\n", "220 ftp.example\r\n", "ftp"},
		{"AUTH TLS\r\n", "220-Welcome\r\n220 ready\r\n", "ftp"},
		{"", "220 (vsFTPd 3.0.3)\r\n", "ftp"},
		{"USER a\r\n", "+OK ready\r\n", "pop3"},
		{"HELLO\r\n", "+OK ready\r\n", ""},
		{"", "* OK [CAPABILITY IMAP4rev1] ready\r\n", "imap"},
		{"a1 LOGIN a b\r\n", "* OK ready\r\n", "imap"},
		{"a1 UID FETCH 1\r\n", "* 12 FETCH (UID 1)\r\n", "imap"},
		{"hello there\r\n", "* OK ready\r\n", ""},
		{"", "\xff\xfd\x18\xff\xfd\x20", "telnet"},
		{"\xff\xfb\x18", "\xff\xfd\x18", "telnet"},
		{"\xff\xfb\x18", "", ""},
		{"\x00\x00\x00\x45\xffSMB", "", "smb"},
		{"\x00\x00\x00\x45\xfeSMB", "", "smb"},
		{"\x00\x00\x00\x45\xfeSMA", "", ""},
		{"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00", "", "ldap"},
		{"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037", "", "ldap"},
		{"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x09\x04\x00\x80\x00", "", ""},
		{"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00", "", "rdp"},
		{"\x03\x00\x00\x0b\x06\xe0\x00\x00\x00\x00\x00", "", ""},
		{"", "RFB 003.008\n", "vnc"},
		{"\x00\x00\x00\x14\x00\x12\x00\x03\x00\x00\x00\x07\x00\x04test", "\x00\x00\x00\x08\x00\x00\x00\x07\x00\x00\x00\x00", "kafka"},
		{"\x00\x00\x00\x14\x00\x12\x00\x03\x00\x00\x00\x07\x00\x04test", "\x00\x00\x00\x08\x00\x00\x00\x08\x00\x00\x00\x00", ""},
		{"\x30\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xdd\x07\x00\x00\x00\x00\x00\x00\x00", "", "mongodb"},
		{"\x30\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xdd\x08\x00\x00\x00\x00\x00\x00\x00", "", ""},
		{"\x3a\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xd4\x07\x00\x00\x00\x00\x00\x00admin.$cmd\x00", "", "mongodb"},
		{"\x04\x00\x00\x00\x05\x00\x00\x00\x00", "\x84\x00\x00\x00\x06", "cassandra"},
		{"\x04\x00\x00\x00\x01\x00\x00\x00\x16\x00\x01\x00\x0bCQL_VERSION\x00\x053.0.0", "", "cassandra"},
		{"get a\r\n", "END\r\n", "memcached"},
		{"get a\r\n", "what\r\n", ""},
		{"", "INFO {\"server_id\":\"a\"}\r\n", "nats"},
		{"CONNECT\naccept-version:1.2\n\n\x00", "", "stomp"},
		{"<?xml version='1.0'?><stream:stream to='a'>", "", "xmpp"},
		{"<?xml version='1.0'?><html>", "", ""},
		{"OPTIONS rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n\r\n", "", "rtsp"},
		{"NICK a\r\nUSER a 0 * :a\r\n", "", "irc"},
		{"NICK a\r\n", ":irc.example 001 a :Welcome\r\n", "irc"},
		{"CAP LS 302\r\n", "", "irc"},
		{strings.Repeat("\xff", 16) + "\x00\x13\x04", "", "bgp"},
		{strings.Repeat("\xff", 16) + "\x00\x13\x09", "", ""},
		{"\x13BitTorrent protocol\x00", "", "bittorrent"},
		{"\x05\x01\x00", "\x05\x00", "socks"},
		{"\x05\x01\x00", "\x05\x02", ""},
		{"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", "\x00\x5a\x00\x50\x7f\x00\x00\x01", "socks"},
		{"\x00\x1d" + query, "", "dns"},
		{"\x00\x1c" + query, "", ""},
		{"\x05\x00\x0b\x03\x10\x00\x00\x00\x48\x00\x00\x00\x01\x00\x00\x00", "", "dcerpc"},
		{"\x12\x01\x00\x2f\x00\x00\x01\x00\x00\x00\x1a\x00\x06\x01", "", "tds"},
		{"\x01\x00\x00\x30\x80\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x01\x08\x40\x00\x00\x0c", "", "diameter"},
		{"\x80\x00\x00\x28\x01\x02\x03\x04\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01\x86\xa3\x00\x00\x00\x04\x00\x00\x00\x00", "", "rpc"},
		{"\x04\x00\x00\x08\x00\x00\x00\x01", "\x04\x00\x00\x08\x00\x00\x00\x02", "openflow"},
		{"\x80\x01\x00\x01\x00\x00\x00\x04ping\x00\x00\x00\x00", "", "thrift"},
		{"\x00\x00\x00\x11\x80\x01\x00\x01\x00\x00\x00\x04ping\x00\x00\x00\x00\x00", "", "thrift"},
		{"\x30\x84\x00\x00\x00\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00", "", "ldap"},
		{"\x01\x00\x01\x00\x00\x00\x02ab\xce\x08\x00\x00\x00\x00\x00\x00\xce", "", "amqp"},
		{"\x01\x00\x01\x00\x00\x00\x02ab\xce\x08\x00\x00\x00\x00\x00\x00\xcd", "", ""},
		{"\x00\x00\x04\x08\x00\x00\x00\x00\x00abcd\x00\x00\x08\x06\x00\x00\x00\x00\x00abcdefgh\x00\x00\x01\x00\x01\x00\x00\x00\x05a\x00\x00\x04\x08\x00\x00\x00\x00\x00abcd", "", "http2"},
		{"Q\x00\x00\x00\x0dselect 1\x00", "T\x00\x00\x00\x06\x00\x00D\x00\x00\x00\x06\x00\x00C\x00\x00\x00\x0dSELECT 1\x00Z\x00\x00\x00\x05I", "postgresql"},
		{"\xc0\x00", "\xd0\x00", "mqtt"},
		{"\x30\x05\x00\x01a12\x30\x05\x00\x01a12\x30\x05\x00\x01a12", "", "mqtt"},
		{"MAIL FROM:<a@b>\r\n", "250 ok\r\n", "smtp"},
		{"<34>Oct 11 22:14:15 host su: text\n", "", "syslog"},
		{"42 <34>1 2003-10-11T22:14:15Z a b - - text", "", "syslog"},
		{"\x00\xf0\x00\x00\x01\x00\x00\x00\x01(DESCRIPTION=(ADDRESS=", "", "tns"},
		{"0032git-upload-pack /a\x00host=b\x00", "", "git"},
		{"\x60\x60\xb0\x17\x00\x00\x04\x04", "", "bolt"},
		{"\x00\x00\x01\x40\x01ActiveMQ\x00", "", "openwire"},
		{"@RSYNCD: 31.0\n", "", "rsync"},
		{"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET / HTTP/1.1\r\n", "", "http"},
		{"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + hi, "", "tls"},
		{"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x0a\x00\x00\x01\x0a\x00\x00\x02\x00\x01\x00\x02SSH-2.0-a\r\n", "", "ssh"},
		{"PROXY is nice\r\n", "", ""},
		{"", "220 ready\r\n", ""},
		{"{\"id\":1}\n", "{\"ok\":true}\n", "json-lines"},
		{"{\"id\":1}\n{\"id\":2", "", "json-lines"},
		{"{\"id\":1}\n", "no\n", ""},
		{"{id:1}\n", "", ""},
		{"{\"id\":1}", "", ""},
		{"\xca\xfe\xba\xbe\x00\x00\x00\x0bhello world\x0d\x4a\x11\x85", "OK", "magic-length-crc32"},
		{"\xca\xfe\xba\xbe\x00\x00\x00\x34hello world\x0d\x4a\x11\x85", "", ""},
		{"", "", ""},
		{"\x00\x00", "\x00", ""},
	} {
		got, _ := Identify(Start{[]byte(tt.client), true}, Start{[]byte(tt.server), true}, nil)
		if got != tt.want {
			t.Errorf("%.40q, %.40q: %q, want %q", tt.client, tt.server, got, tt.want)
		}
		// What is said before all bytes are there is not taken back.
		for n := range len(tt.client) {
			name, again := Identify(Start{[]byte(tt.client[:n]), false}, Start{[]byte(tt.server), false}, nil)
			if name != tt.want && !again {
				t.Errorf("%.40q, %d bytes of it: %q for good, want %q", tt.client, n, name, tt.want)
			}
		}
		for n := range len(tt.server) {
			name, again := Identify(Start{[]byte(tt.client), false}, Start{[]byte(tt.server[:n]), false}, nil)
			if name != tt.want && !again {
				t.Errorf("%.40q, %d bytes of it: %q for good, want %q", tt.server, n, name, tt.want)
			}
		}
	}
}

func TestReadTLS(t *testing.T) {
	s := ReadTLS([]byte(hi), nil)
	if s.ServerName != "a.example" || strings.Join(s.ALPN, " ") != "h2 spdy" || s.Version != "" {
		t.Errorf("%+v", s)
	}
	for n := range len(hi) {
		if s := ReadTLS([]byte(hi[:n]), nil); s.ServerName != "" && s.ServerName != "a.example" {
			t.Errorf("%d bytes: %q", n, s.ServerName)
		}
	}
}

// A command of Redis that is cut may yet become one.
func TestCutCommand(t *testing.T) {
	for _, s := range []string{"PING\r\n", "INFO\r\n", "info\r\n"} {
		for n := 1; n < len(s); n++ {
			if _, v := isRedis(Start{[]byte(s[:n]), false}, Start{}); v != maybe {
				t.Errorf("%q: verdict %d, want %d", s[:n], v, maybe)
			}
		}
	}
}

// No bytes bring it down, and where both directions are over there is no more to
// wait for that would change the name.
func FuzzIdentify(f *testing.F) {
	for _, s := range []string{hi, startup, greet, preface, "*1\r\n$4\r\nPING\r\n", "{\"a\":1}\n", "\x00\x1d" + query, "NICK a\r\nUSER a\r\n", "\x05\x01\x00", "* OK ready\r\n", "PROXY TCP4 a b 1 2\r\n", "\xca\xfe\xba\xbe\x00\x00\x00\x01a"} {
		f.Add([]byte(s), []byte(s))
	}
	f.Fuzz(func(t *testing.T, client, server []byte) {
		a, b := Start{client, true}, Start{server, true}
		name, _ := Identify(a, b, nil)
		if again, _ := Identify(a, b, nil); again != name {
			t.Errorf("%q, then %q", name, again)
		}
		a.Over, b.Over = false, false
		if early, more := Identify(a, b, nil); early != "" && !more && early != name {
			t.Errorf("%q for good, then %q", early, name)
		}
		ReadTLS(client, server)
	})
}
