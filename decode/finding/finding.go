package finding

import "strconv"

// A Severity says how bad a finding is.
type Severity uint8

// The severities. An ordinary session has no finding above Note.
const (
	Note    Severity = iota // worth knowing
	Warning                 // it works, but will bite
	Error                   // it failed, or broke a MUST
)

// String returns "note", "warning" or "error".
func (s Severity) String() string {
	return [...]string{"note", "warning", "error"}[min(s, Error)]
}

// The layers that findings belong to.
const (
	LayerCapture  = "capture"  // the recording, not the session
	LayerDNS      = "dns"      //
	LayerTCP      = "tcp"      //
	LayerTLS      = "tls"      //
	LayerHTTP     = "http"     // the answer to the handshake
	LayerProxy    = "proxy"    // something between the two ends
	LayerProtocol = "protocol" // the WebSocket protocol
	LayerApp      = "app"      // the application said so in a close frame
)

// Info is what the catalogue says of an ID. All texts are plain ASCII.
type Info struct {
	ID       ID
	Severity Severity
	Layer    string
	// Title says in one line what was found, without a full stop.
	Title string
	// Cause says why that happens, in one or two sentences.
	Cause string
	// Fix says what mends it. A line break separates alternatives.
	Fix string
	// RFC names the section that is the measure, such as
	// "RFC 6455 section 4.2.2". It is empty for what no RFC speaks of.
	RFC string
}

// Info returns what the catalogue says of id. For an ID that does not exist it
// returns the zero Info.
func (id ID) Info() Info {
	switch {
	case id.app():
		return appInfo(id)
	case int(id) < len(catalogue):
		info := catalogue[id]
		info.ID = id
		return info
	}
	return Info{}
}

// Severity returns the severity of id, Note for an ID that does not exist.
func (id ID) Severity() Severity {
	switch {
	case id.app():
		return Warning
	case int(id) < len(catalogue):
		return catalogue[id].Severity
	}
	return Note
}

// Worst returns the highest severity in the set, and false for an empty set.
func (s Set) Worst() (worst Severity, ok bool) {
	for id := range s.All() {
		worst, ok = max(worst, id.Severity()), true
	}
	return worst, ok
}

// appInfo describes the close codes 3000 to 4999. A code of the application
// range that ends like an HTTP status is nearly always meant as that status.
func appInfo(id ID) Info {
	info := Info{
		ID:       id,
		Severity: Warning,
		Layer:    LayerApp,
		Title:    "the application closed the session with its own code " + strconv.Itoa(int(id)),
		Cause:    "Codes 4000 to 4999 mean what the two applications agreed on. The reason in the close frame, or the server's source, says what this one is.",
		Fix:      "Look the code up in the server's documentation or source and treat it in the client's close handler.",
		RFC:      "RFC 6455 section 7.4.2",
	}
	if id < 4000 {
		info.Title = "a library or framework closed the session with code " + strconv.Itoa(int(id))
		info.Cause = "Codes 3000 to 3999 are registered with IANA by libraries and frameworks; 3000 is unauthorized, 3003 forbidden, 3008 timeout."
		info.Fix = "Look the code up in the IANA WebSocket Close Code Number Registry and in the framework's documentation."
		return info
	}
	if meaning := httpMeaning[int(id)%1000]; meaning != "" {
		info.Cause = "Codes 4000 to 4999 mean what the two applications agreed on; by habit this one stands for HTTP " +
			strconv.Itoa(int(id)%1000) + ", " + meaning + "."
	}
	if n := int(id) % 1000; n == 401 || n == 403 {
		info.Fix = "Renew the token before it expires and open the session again; check the server's clock and what the token may do."
	}
	return info
}

var httpMeaning = map[int]string{
	400: "bad request", 401: "not authenticated", 403: "not allowed", 404: "not found",
	408: "timed out", 409: "conflict, often a second session of the same user", 429: "too many requests",
	500: "server error", 503: "unavailable",
}
