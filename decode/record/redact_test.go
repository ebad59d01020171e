package record

import (
	"regexp"
	"strings"
	"testing"
)

var token = regexp.MustCompile(`redacted:[0-9a-f]{8}`)

// mask makes the result of a Redactor comparable: the digits differ from run to
// run.
func mask(s string) string { return token.ReplaceAllString(s, "R") }

const jwt = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"

func TestHeader(t *testing.T) {
	d := NewRedactor()
	for _, tt := range []struct{ name, value, want string }{
		{"Authorization", "Bearer abc.def.ghi", "Bearer R"},
		{"authorization", "Basic dXNlcjpwYXNz", "Basic R"},
		{"Authorization", `Digest username="u", response="6629fae49393a05397450978507c4ef1"`, "Digest R"},
		{"Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830", "AWS4-HMAC-SHA256 R"},
		{"Authorization", "rawtoken", "R"},
		{"AUTHORIZATION", "Bearer", "R"},
		{"Proxy-Authorization", "Basic dXNlcjpwYXNz", "Basic R"},
		{"Cookie", "sid=abc123; theme=dark", "sid=R; theme=R"},
		{"Cookie", "lonely", " R"},
		{"Cookie", "", ""},
		{"Set-Cookie", "sid=abc; Path=/; HttpOnly; Max-Age=3600", "sid=R; Path=/; HttpOnly; Max-Age=3600"},
		{"X-Api-Key", "0123456789", "R"},
		{"X-Amz-Security-Token", "FwoGZXIvYXdzE", "R"},
		{"X-Auth-Token", "t", "R"},
		{"X-CSRF-Token", "t", "R"},
		{"Ocp-Apim-Subscription-Key", "k", "R"},
		{"CF-Access-Client-Secret", "k", "R"},
		{"Private-Token", "glpat-x", "R"},
		{"WWW-Authenticate", `Bearer realm="api", error="invalid_token"`, `Bearer realm="api", error="invalid_token"`},
		{"Proxy-Authenticate", `Basic realm="corporate proxy"`, `Basic realm="corporate proxy"`},
		{"Referer", "https://u:p@h.example/a?token=abc&x=1#frag", "https://R@h.example/a?token=R&x=1#frag"},
		{"Location", "https://login.example/?next=%2Fws&code=SplxlOBeZQQYbYS6WxSbIA", "https://login.example/?next=%2Fws&code=R"},
		{"X-Debug", "jwt " + jwt, "jwt R"},
		{"X-Original-Url", "/ws?access_token=abc", "/ws?access_token=R"},
		{"Access-Control-Allow-Credentials", "true", "true"},
		{"Access-Control-Allow-Headers", "Authorization, X-Auth-Token", "Authorization, X-Auth-Token"},
		{"Host", "chat.example:8765", "chat.example:8765"},
		{"Origin", "https://chat.example", "https://chat.example"},
		{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"},
		{"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="},
		{"sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
		{"Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits=15", "permessage-deflate; client_max_window_bits=15"},
		{"Date", "Fri, 20 Nov 2026 16:39:35 GMT", "Fri, 20 Nov 2026 16:39:35 GMT"},
		{"X-Request-Id", "5f0c1d8e-8a53-4a0e-9d5c-3f6f2f0a7b11", "5f0c1d8e-8a53-4a0e-9d5c-3f6f2f0a7b11"},
	} {
		if got := mask(d.Header(tt.name, tt.value)); got != tt.want {
			t.Errorf("%s: %s\n got %q\nwant %q", tt.name, tt.value, got, tt.want)
		}
	}
}

func TestSubprotocol(t *testing.T) {
	d := NewRedactor()
	for _, name := range []string{
		"graphql-transport-ws", "graphql-ws", "v12.stomp", "v10.stomp, v11.stomp, v12.stomp", "v1.kernel.websocket.jupyter.org",
		"mqtt", "mqttv3.1", "wamp.2.json", "wamp.2.msgpack.batched", "ocpp1.6", "ocpp2.0.1", "soap", "binary", "base64",
		"actioncable-v1-json", "actioncable-unsupported", "v4.channel.k8s.io", "SPDY/3.1+portforward.k8s.io",
		"chat", "superchat", "com.microsoft.minecraft.wsencrypt", "MyCompanyRealtimeProtocolV2", "aws.kvs.signaling.v2",
		"realtime", "openai-beta.realtime-v1", "vnd.example.notifications-v3+json", "token-based-chat", "auth-v2-chat", "",
		"cloudfoundry.tcp.tunnel", "vitruvio.session.protocol.v12", "websocket-tunnel-protocol-version-13",
	} {
		if got := d.Subprotocol(name); got != name {
			t.Errorf("%q became %q", name, got)
		}
	}
	for _, tt := range []struct{ value, want string }{
		{jwt, "R"},
		{"chat, " + jwt, "chat, R"},
		{"bearer, abc", "bearer, R"},
		{"Bearer, " + jwt + ", chat", "Bearer, R, chat"},
		{"Authorization, mysecret", "Authorization, R"},
		{"access_token,xyz", "access_token,R"},
		{"token, 8f14e45fceea167a5a36dedd4bea2543", "token, R"},
		{"token, graphql-ws", "token, graphql-ws"},
		{"bearer.abcdefgh", "bearer.R"},
		{"base64url.bearer.authorization.k8s.io.ZXlKaGJHY2lPaUpTVXpJMU5pSXM, base64.binary.k8s.io", "base64url.bearer.authorization.k8s.io.R, base64.binary.k8s.io"},
		{"realtime, openai-insecure-api-key.sk-abc123def456ghi789, openai-beta.realtime-v1", "realtime, openai-insecure-api-key.R, openai-beta.realtime-v1"},
		{"5f0c1d8e-8a53-4a0e-9d5c-3f6f2f0a7b11", "R"},
		{"8f14e45fceea167a5a36dedd4bea2543", "R"},
		{"QmFzZTY0U3R1ZmZXaXRoTWl4ZWRDYXNlMTIzNDU2Nzg5MA==", "R"},
		{"token-8f14e45fceea167a5a36dedd4bea2543", "token-R"},
		{"auth_k3J9xQ2mZ7pL5vB8nC1r", "auth_R"},
		{"sk-proj-a8Dk3LmQ9ZxR7tYv2WnB4", "R"},
		{"ghp_16C7e42F292c6912E7710c838347Ae178B4a", "R"},
	} {
		if got := mask(d.Subprotocol(tt.value)); got != tt.want {
			t.Errorf("%q\n got %q\nwant %q", tt.value, got, tt.want)
		}
	}
}

func TestURL(t *testing.T) {
	d := NewRedactor()
	for _, tt := range []struct{ value, want string }{
		{"/chat", "/chat"},
		{"/chat?room=1&user=bob", "/chat?room=1&user=bob"},
		{"/socket.io/?EIO=4&transport=websocket&sid=lv_VI97HAXpY6yYWAAAC", "/socket.io/?EIO=4&transport=websocket&sid=R"},
		{"/ws?token=abc", "/ws?token=R"},
		{"/ws?TOKEN=abc&x=1", "/ws?TOKEN=R&x=1"},
		{"/ws?access%5Ftoken=abc", "/ws?access%5Ftoken=R"},
		{"/ws?a=1;api_key=2#access_token=3&state=4", "/ws?a=1;api_key=R#access_token=R&state=4"},
		{"/ws?token=&x=1", "/ws?token=&x=1"},
		{"/ws?X-Amz-Signature=abc&X-Amz-Date=20260101T000000Z", "/ws?X-Amz-Signature=R&X-Amz-Date=20260101T000000Z"},
		{"ws://bob:secret@h.example/ws?q=1", "ws://R@h.example/ws?q=1"},
		{"wss://h.example/" + jwt + "/x", "wss://h.example/R/x"},
		{"ws://h.example/a@b", "ws://h.example/a@b"},
		{"/ws?q=" + jwt, "/ws?q=R"},
		{"/ws?who=AKIAIOSFODNN7EXAMPLE", "/ws?who=R"},
		{"/ws?who=xoxb-123456789012-abcdef", "/ws?who=R"},
		{"/risk-management-and-so-on-forever", "/risk-management-and-so-on-forever"},
		{"/sk-management-and-other-things", "/sk-management-and-other-things"},
		{`{"error":"bad","access_token":"ab\"c","n":1}`, `{"error":"bad","access_token":"R","n":1}`},
		{`{"password" : "x`, `{"password" : "R`},
		{"curl -H 'Authorization: Bearer abcdefgh12345678XYZ'", "curl -H 'Authorization: Bearer R'"},
	} {
		if got := mask(d.URL(tt.value)); got != tt.want {
			t.Errorf("%q\n got %q\nwant %q", tt.value, got, tt.want)
		}
	}
}

func TestRedactorKeepsEquality(t *testing.T) {
	d, other := NewRedactor(), NewRedactor()
	a, b := d.Secret("hunter2"), d.Secret("hunter3")
	if a == b || a != d.Secret("hunter2") || a == other.Secret("hunter2") {
		t.Errorf("hunter2 is %s, then %s, elsewhere %s; hunter3 is %s", a, d.Secret("hunter2"), other.Secret("hunter2"), b)
	}
	// The same token in a header, a query and a subprotocol can be told to be
	// the same.
	h, q, p := d.Header("Authorization", "Bearer "+jwt), d.URL("/?token="+jwt), d.Subprotocol("bearer."+jwt)
	if want := d.Secret(jwt); !strings.HasSuffix(h, want) || !strings.HasSuffix(q, want) || !strings.HasSuffix(p, want) {
		t.Errorf("one token, three faces: %s %s %s", h, q, p)
	}
	// What was redacted is not redacted once more.
	if twice := d.URL(q); twice != q {
		t.Errorf("%s became %s", q, twice)
	}
	var none *Redactor
	for _, s := range []string{none.Secret("x"), none.Header("Cookie", "x"), none.URL("x"), none.Subprotocol("x"), none.Text("x")} {
		if s != "x" {
			t.Errorf("nil Redactor made %q of x", s)
		}
	}
}

// Work must grow with the length of the text, whatever is in it.
func TestRedactorIsBounded(t *testing.T) {
	d := NewRedactor()
	for _, unit := range []string{"?key=a&", "://a@", "sk-", "eyJ-", "eyJ.", `"token":"a",`, "a=b;", "bearer,x,", "Bearer abcdefgh1234 "} {
		s := strings.Repeat(unit, 1<<16/len(unit))
		for name, got := range map[string]string{
			"text": d.Text(s), "cookie": d.Header("Cookie", s), "subprotocol": d.Subprotocol(s),
		} {
			if n := len(token.FindAllString(got, -1)); n > 3*(maxSecrets+1) {
				t.Errorf("%s of %q...: %d secrets", name, unit, n)
			}
		}
	}
}

func FuzzRedactor(f *testing.F) {
	f.Add("Cookie", "a=b; c")
	f.Add("Sec-WebSocket-Protocol", "bearer.x, İbearer."+jwt)
	f.Add("Location", `https://u@h/?token=x#"key":"\`)
	d := NewRedactor()
	f.Fuzz(func(t *testing.T, name, value string) {
		once := d.Header(name, value)
		if strings.EqualFold(name, "Authorization") && len(value) > 30 && !token.MatchString(once) {
			t.Errorf("%s: %q stays %q", name, value, once)
		}
		d.URL(value)
		d.Subprotocol(value)
		// A token that can be told by its shape does not get through, whatever
		// stands around it.
		if got := d.Text(value + " " + jwt + " " + value); strings.Contains(got, jwt) && !strings.Contains(value, jwt) {
			t.Errorf("%q let the token through: %q", value, got)
		}
	})
}
