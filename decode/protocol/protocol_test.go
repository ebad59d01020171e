package protocol

import (
	"strings"
	"testing"
)

// startup is what a client of PostgreSQL says first.
const startup = "\x00\x00\x00\x20\x00\x03\x00\x00user\x00postgres\x00database\x00"

// greet is how MySQL 8 greets.
const greet = "\x4a\x00\x00\x00\x0a8.0.36\x00\x08\x00\x00\x00abcdefgh\x00\xff\xff\xff\x02\x00\xff\xdf\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00ijklmnopqrst\x00mysql_native_password\x00"

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
		{"OPTIONS sip:a SIP/2.0\r\n\r\n", "", ""},
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
		{"USER a\r\n", "220 ftp.example\r\n", ""},
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

// No bytes bring it down, and where both directions are over there is no more to
// wait for that would change the name.
func FuzzIdentify(f *testing.F) {
	for _, s := range []string{hi, startup, greet, preface, "*1\r\n$4\r\nPING\r\n", "{\"a\":1}\n", "\xca\xfe\xba\xbe\x00\x00\x00\x01a"} {
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
