package record

import (
	"net/url"
	"slices"
	"strings"
)

// joiner takes the separators out of a name.
var joiner = strings.NewReplacer("-", "", "_", "", ".", "", "[", "", "]", "")

// Text returns any text with the secrets in it replaced that can be told by
// their shape, by the name before them in a query or a JSON object, or by
// standing before the @ of a URL.
func (d *Redactor) Text(s string) string {
	if d == nil || s == "" {
		return s
	}
	if strings.Contains(s, "://") {
		s = d.userinfo(s)
	}
	if strings.Contains(s, "=") {
		s = d.query(s)
	}
	if strings.Contains(s, `":`) || strings.Contains(s, `" :`) {
		s = d.members(s)
	}
	return d.shapes(s)
}

// An edit collects the new form of a text.
type edit struct {
	d    *Redactor
	out  strings.Builder
	old  string
	done int // how much of old is in out
	n    int
}

// replace puts the secret old[from:to] in its new form, and returns false when
// there were too many.
func (e *edit) replace(from, to int) bool {
	e.out.WriteString(e.old[e.done:from])
	if e.n++; e.n > maxSecrets {
		to = len(e.old)
	}
	e.out.WriteString(e.d.Secret(e.old[from:to]))
	e.done = to
	return e.n <= maxSecrets
}

func (e *edit) String() string {
	if e.n == 0 {
		return e.old
	}
	return e.out.String() + e.old[e.done:]
}

// userinfo replaces what stands between "://" and the last @ of an authority
// (RFC 3986 section 3.2.1).
func (d *Redactor) userinfo(s string) string {
	e := edit{d: d, old: s}
	for from := 0; ; {
		i := strings.Index(s[from:], "://")
		if i < 0 {
			break
		}
		start := from + i + len("://")
		from = start + until(s[start:], "/?#\"'<> \t\r\n")
		if at := strings.LastIndexByte(s[start:from], '@'); at > 0 && !e.replace(start, start+at) {
			break
		}
	}
	return e.String()
}

// query replaces the values of secret names in "?name=value&name=value".
func (d *Redactor) query(s string) string {
	e := edit{d: d, old: s}
	for from := 0; ; {
		i := strings.IndexAny(s[from:], "?&;#")
		if i < 0 {
			break
		}
		from += i + 1
		eq := from + until(s[from:], "=?&;#/\"' \t\r\n")
		if eq == len(s) || s[eq] != '=' || !secretName(s[from:eq]) {
			continue
		}
		from = eq + 1 + until(s[eq+1:], "&;#\"'<> \t\r\n")
		if from > eq+1 && !e.replace(eq+1, from) {
			break
		}
	}
	return e.String()
}

// members replaces the strings behind secret names in JSON.
func (d *Redactor) members(s string) string {
	e := edit{d: d, old: s}
	for from := 0; ; {
		i := strings.IndexByte(s[from:], '"')
		if i < 0 {
			break
		}
		start := from + i + 1
		end := start + until(s[start:], "\"\\")
		from = end + 1
		if from >= len(s) {
			break
		}
		rest := strings.TrimLeft(s[from:], " \t\r\n")
		rest, ok := strings.CutPrefix(rest, ":")
		if !ok || end-start > 64 || !secretName(s[start:end]) {
			continue
		}
		if rest, ok = strings.CutPrefix(strings.TrimLeft(rest, " \t\r\n"), `"`); !ok {
			continue
		}
		start = len(s) - len(rest)
		for from = start; from < len(s) && s[from] != '"'; from++ {
			if s[from] == '\\' {
				from++
			}
		}
		from = min(from, len(s))
		if from > start && !e.replace(start, from) {
			break
		}
		from = min(from+1, len(s))
	}
	return e.String()
}

// until returns the offset of the first byte of s that is in stop, or len(s).
func until(s, stop string) int {
	if i := strings.IndexAny(s, stop); i >= 0 {
		return i
	}
	return len(s)
}

// secretName reports whether a value of that name, in a query or a JSON object,
// is a secret.
func secretName(name string) bool {
	if len(name) > 256 {
		return false
	}
	if plain, err := url.QueryUnescape(name); err == nil {
		name = plain
	}
	name = joiner.Replace(strings.ToLower(strings.TrimSpace(name)))
	if slices.Contains(secretNames, name) {
		return true
	}
	for _, end := range secretEndings {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// secretNames and secretEndings are in lower case and without separators.
var (
	secretNames = []string{
		"code", "sig", "pass", "passwd", "passphrase", "pwd", "key", "auth", "authentication", "authorization", "bearer",
		"session", "sid", "sess", "credential", "credentials", "ticket", "otp", "pin", "hmac", "assertion", "samlresponse",
		"appkey", "xamzcredential", "userkey",
	}
	secretEndings = []string{
		"token", "secret", "password", "signature", "apikey", "accesskey", "secretkey", "privatekey", "authkey", "sessionkey",
		"sessionid", "sessid", "jwt",
	}
)
