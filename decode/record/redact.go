package record

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// A Redactor replaces secrets by "redacted:ab12cd34". The eight digits come from
// a key that it makes up for itself, so that equal secrets look equal within a
// run and tell nothing outside of it.
//
// A nil Redactor leaves everything as it is. A Redactor may be used by several
// goroutines at the same time.
type Redactor struct{ key [32]byte }

// NewRedactor returns a Redactor with a new random key.
func NewRedactor() *Redactor {
	d := new(Redactor)
	_, _ = rand.Read(d.key[:]) // never fails
	return d
}

const redacted = "redacted:"

// maxSecrets bounds how many secrets one text may have; what comes behind them
// is replaced as one. Each costs two hashes, and the network writes the texts.
const maxSecrets = 32

// Secret returns what stands for the secret s.
func (d *Redactor) Secret(s string) string {
	if d == nil || s == "" || len(s) == len(redacted)+8 && strings.HasPrefix(s, redacted) {
		return s
	}
	h := hmac.New(sha256.New, d.key[:])
	h.Write([]byte(s))
	return redacted + hex.EncodeToString(h.Sum(nil)[:4])
}

// Header returns the value of a header field with its secrets replaced. The
// names of authentication schemes and cookies stay. Sec-WebSocket-Key and
// Sec-WebSocket-Accept are no secrets and never change.
func (d *Redactor) Header(name, value string) string {
	if d == nil || value == "" {
		return value
	}
	name = strings.ToLower(name)
	switch name {
	case "sec-websocket-key", "sec-websocket-accept", "sec-websocket-version", "sec-websocket-extensions":
		return value
	case "sec-websocket-protocol":
		return d.Subprotocol(value)
	case "authorization", "proxy-authorization":
		return d.credentials(value)
	case "cookie":
		return d.cookies(value, false)
	case "set-cookie":
		return d.cookies(value, true)
	case "authentication-info", "proxy-authentication-info":
		return d.Secret(value)
	case "www-authenticate", "proxy-authenticate":
		return d.Text(value) // a challenge
	}
	if secretHeader(name) {
		return d.credentials(value)
	}
	return d.Text(value)
}

// secretHeader reports whether a header of that name, in lower case, carries a
// secret as its value.
func secretHeader(name string) bool {
	if strings.HasPrefix(name, "access-control-") {
		return false // names of headers and yes or no
	}
	for _, part := range []string{"token", "secret", "password", "passwd", "api-key", "apikey", "subscription-key", "authorization", "credential", "jwt", "session-id", "sessionid"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return name == "x-auth" || name == "x-key" || strings.HasSuffix(name, "-auth-key") || strings.HasSuffix(name, "access-key")
}

// credentials keeps the scheme of "Bearer x" or "Basic x".
func (d *Redactor) credentials(value string) string {
	scheme, rest, ok := strings.Cut(value, " ")
	rest = strings.TrimLeft(rest, " ")
	if !ok || rest == "" || !isWord(scheme) {
		return d.Secret(value)
	}
	return scheme + " " + d.Secret(rest)
}

// isWord reports whether s can be the name of a scheme: short, and letters for
// the most part. A token that happens to have a space in it is none.
func isWord(s string) bool {
	if s == "" || len(s) > 24 {
		return false
	}
	for i := range len(s) {
		if c := s[i] | 0x20; (c < 'a' || c > 'z') && s[i] != '-' && (i == 0 || s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return true
}

// cookies keeps the names of cookies, and in Set-Cookie the attributes behind
// the first pair (RFC 6265 section 4).
func (d *Redactor) cookies(value string, set bool) string {
	var out strings.Builder
	for n := 0; ; n++ {
		if n == maxSecrets {
			return out.String() + d.Secret(value)
		}
		pair, rest, more := strings.Cut(value, ";")
		name, v, named := strings.Cut(pair, "=")
		trimmed := strings.TrimSpace(pair)
		switch {
		case set && n > 0:
			out.WriteString(pair)
		case named:
			out.WriteString(name + "=" + d.Secret(strings.TrimSpace(v)))
		case trimmed != "": // a cookie without a name is all value
			out.WriteString(" " + d.Secret(trimmed))
		}
		if !more {
			return out.String()
		}
		out.WriteByte(';')
		value = rest
	}
}

// URL returns a URL or request target with its secrets replaced: user name and
// password, query and fragment values that are secret by their name, and
// anything that is secret by its shape.
func (d *Redactor) URL(s string) string { return d.Text(s) }
