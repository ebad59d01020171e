package record

import (
	"strings"
)

// Subprotocol returns a value of Sec-WebSocket-Protocol, one name or a list, in
// which what looks like a token is replaced. Clients that cannot set headers
// send their credentials there.
func (d *Redactor) Subprotocol(value string) string {
	if d == nil {
		return value
	}
	var out strings.Builder
	var before *announcer
	for n := 0; ; n++ {
		if n == maxSecrets {
			return out.String() + d.Secret(value)
		}
		elem, rest, more := strings.Cut(value, ",")
		name := strings.TrimSpace(elem)
		out.WriteString(elem[:len(elem)-len(strings.TrimLeft(elem, " \t"))])
		if before != nil && (before.sure || !ordinary(name)) {
			out.WriteString(d.Secret(name)) // ["bearer", TOKEN]
			before = nil
		} else {
			out.WriteString(d.subprotocol(name))
			before = announces(name)
		}
		if !more {
			return out.String()
		}
		out.WriteByte(',')
		value = rest
	}
}

// An announcer is a subprotocol, or the beginning of one, that says: here comes
// the token. If it is not sure, what follows may be an ordinary name as well.
type announcer struct {
	name string
	sure bool
}

// announcers are in an order in which no name hides a longer one.
var announcers = []announcer{
	{"base64url.bearer.authorization.k8s.io", true}, {"base64.bearer.authorization.k8s.io", true},
	{"authorization", true}, {"access_token", true}, {"access-token", true}, {"accesstoken", true},
	{"auth_token", true}, {"auth-token", true}, {"id_token", true}, {"bearer", true}, {"jwt", true},
	{"apikey", true}, {"api_key", true}, {"api-key", true}, {"x-api-key", true}, {"openai-insecure-api-key", true},
	{"password", true}, {"secret", true}, {"ticket", true},
	{"basic", false}, {"token", false}, {"auth", false}, {"sessionid", false}, {"session_id", false}, {"session", false},
}

func announces(name string) *announcer {
	for i := range announcers {
		if strings.EqualFold(name, announcers[i].name) {
			return &announcers[i]
		}
	}
	return nil
}

func (d *Redactor) subprotocol(name string) string {
	for _, a := range announcers {
		n := len(a.name)
		if len(name) < n+2 || !strings.EqualFold(name[:n], a.name) || strings.IndexByte(".-_:=|~ %+", name[n]) < 0 {
			continue
		}
		if announces(name) == nil && (a.sure || !ordinary(name[n+1:])) {
			return name[:n+1] + d.Secret(name[n+1:]) // bearer.TOKEN, token-TOKEN
		}
	}
	if s := d.Text(name); s != name {
		return s
	}
	if looksRandom(joiner.Replace(name)) && !ordinary(name) {
		return d.Secret(name)
	}
	for part := range strings.SplitSeq(name, ".") {
		if looksRandom(part) {
			return d.Secret(name)
		}
	}
	return name
}
