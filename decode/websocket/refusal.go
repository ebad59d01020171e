package websocket

import (
	"bytes"
	"strings"

	"framescope/decode/finding"
	"framescope/decode/http1"
)

// failed names the cause of an answer that is not 101.
func (c *checker) failed() {
	r := c.Response
	explained := !c.found.Empty() // by what is wrong with the request
	if c.failedByText() {
		return
	}
	switch {
	case r.Status >= 301 && r.Status <= 303, r.Status == 307, r.Status == 308:
		c.status(finding.HTTPRedirect, "%s", c.location())
	case r.Status == 200:
		c.status(finding.HTTP200, "%s", show(r.Header, "Content-Type"))
	case r.Status == 401:
		c.status(finding.HTTP401, "%s", show(r.Header, "WWW-Authenticate"))
	case r.Status == 403:
		c.forbidden()
	case r.Status == 404:
		c.status(finding.HTTP404, "%s", c.target())
	case r.Status == 407:
		c.status(finding.Proxy407, "%s", show(r.Header, "Proxy-Authenticate"))
	case r.Status == 413, r.Status == 414, r.Status == 431, r.Status == 494:
		c.status(finding.RequestHeaderTooLarge, "%s", c.size())
	case r.Status == 429:
		c.status(finding.HTTP429, "%s", show(r.Header, "Retry-After"))
	case r.Status == 426 && !explained:
		c.status(finding.ProxyStripsUpgrade, "the answer asks for an upgrade, which the request does")
	case r.Status == 500, r.Status == 501:
		c.status(finding.HTTP500, "%s", c.server())
	case r.Status == 502, r.Status == 520, r.Status == 521, r.Status == 523:
		c.status(finding.Proxy502, "%s", c.server())
	case r.Status == 503 && c.byProxy():
		c.status(finding.Proxy503, "%s", c.server())
	case r.Status == 503:
		c.status(finding.HTTP503, "%s", show(r.Header, "Retry-After"))
	case r.Status == 504, r.Status == 522, r.Status == 524:
		c.status(finding.Proxy504, "%s", c.server())
	case explained:
	case r.Status == 400 && c.Request != nil && c.byProxy() && c.backendMisses():
		c.status(finding.ProxyStripsUpgrade, "%s; the request asks for an upgrade, and the answer reads as if it had not arrived", c.server())
	case r.Status == 400:
		c.status(finding.HTTP400, "%s", c.server())
	default:
		c.status(finding.HTTPStatus, "%s", c.server())
	}
}

// status adds id with the status line before the text.
func (c *checker) status(id finding.ID, format string, args ...any) {
	args = append([]any{c.Response.Status, c.Response.Reason}, args...)
	c.add(true, id, "%d %.40s; "+format, args...)
}

// failedByText looks for what servers say in a reason or a body.
func (c *checker) failedByText() bool {
	switch {
	case c.Response.Status/100 != 4:
	case c.says("http request to an https server"), // Go
		c.says("plain http request was sent to https port"), // nginx
		c.says("speaking plain http to an ssl-enabled"):     // Apache
		c.status(finding.PlainToTLSPort, "the body says that this is an HTTPS port")
		return true
	case c.says("request header or cookie too large"), c.says("header field exceeds server limit"),
		c.says("request header fields too large"):
		c.status(finding.RequestHeaderTooLarge, "%s", c.size())
		return true
	case c.says("session id unknown"): // engine.io
		c.status(finding.StickySession400, "the body says Session ID unknown")
		return true
	}
	return false
}

// says reports whether the reason or the body has text, which is in lower case.
func (c *checker) says(text string) bool {
	const look = 1024 // bytes of the body
	return contains(c.Response.Reason, text) || contains(c.Body[:min(len(c.Body), look)], text)
}

func contains(b []byte, text string) bool {
	return len(b) >= len(text) && strings.Contains(strings.ToLower(string(b)), text)
}

// forbidden tells a cross-origin check from other reasons for a 403.
func (c *checker) forbidden() {
	if c.Request == nil {
		c.status(finding.HTTP403Other, "%s", c.server())
		return
	}
	origin, host := c.Request.Header.Get("origin"), c.Request.Header.Get("host")
	_, authority, ok := bytes.Cut(origin, []byte("://"))
	switch {
	case c.says("origin"), ok && !http1.EqualFold(authority, string(host)):
		c.status(finding.HTTP403Origin, "%s, %s", show(c.Request.Header, "Origin"), show(c.Request.Header, "Host"))
	default:
		c.status(finding.HTTP403Other, "%s", c.server())
	}
}

// proxies are how proxies name themselves in a Server field, and say in a body
// that no server is behind them.
var proxies = []string{
	"nginx", "haproxy", "envoy", "cloudflare", "awselb", "traefik", "varnish", "squid", "caddy", "openresty",
	"no server is available to handle this request", "upstream connect error", "no healthy upstream",
	"service temporarily unavailable", "no available server",
}

func (c *checker) byProxy() bool {
	h := c.Response.Header
	if h.Get("via") != nil || h.Get("x-envoy-upstream-service-time") != nil {
		return true
	}
	for _, p := range proxies {
		if contains(h.Get("server"), p) || c.says(p) {
			return true
		}
	}
	return false
}

// backendMisses reports whether an answer is what servers say to a request that
// does not ask for WebSocket as it should. Where this one does, a proxy between
// the two has taken fields away.
func (c *checker) backendMisses() bool {
	if c.Response.Header.Get("sec-websocket-version") != nil {
		return true
	}
	for _, text := range []string{"did not receive a valid http request", "upgrade", "invalid connection header", "missing connection header",
		"not a websocket", "websocket handshake", "websocket protocol"} {
		if c.says(text) {
			return true
		}
	}
	return false
}

func (c *checker) location() string {
	location, _, _ := bytes.Cut(c.Response.Header.Get("location"), []byte{'?'}) // a query may hold a token
	if len(location) == 0 {
		return "no Location field"
	}
	return "Location: " + string(location[:min(len(location), 100)])
}

func (c *checker) server() string { return show(c.Response.Header, "Server") }

func (c *checker) target() string {
	if c.Request == nil {
		return "the request was not captured"
	}
	path, _, _ := bytes.Cut(c.Request.Target, []byte{'?'})
	return "for " + string(path[:min(len(path), 100)])
}

func (c *checker) size() string {
	if c.Request == nil || c.Request.Size == 0 {
		return "the request was not captured"
	}
	largest := http1.Field{}
	for _, f := range c.Request.Header {
		if len(f.Value) >= len(largest.Value) {
			largest = f
		}
	}
	return "the largest field of the request is " + string(largest.Name[:min(len(largest.Name), 40)])
}
