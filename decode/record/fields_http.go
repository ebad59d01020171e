package record

import "strings"

// parts finds the request and the response in a record.
type parts struct {
	req  func(r Record) *Request
	resp func(r Record) *Response
}

var (
	httpParts = parts{
		func(r Record) *Request { return &r.(*HTTP).Request },
		func(r Record) *Response { return &r.(*HTTP).Response },
	}
	handshakeParts = parts{
		func(r Record) *Request { return &r.(*Handshake).Request },
		func(r Record) *Response { return &r.(*Handshake).Response },
	}
)

func version(s string) (string, bool) { return ifSome(strings.TrimPrefix(s, "HTTP/")) }

func pair(headers []Pair, i int) (string, bool) {
	if p := &headers[i/2]; i%2 == 0 {
		return p.Name, true
	} else {
		return p.Value, true
	}
}

func httpFields(p parts) []Field {
	headers := Field{
		Name: "http.request.headers", Kind: KindPairs, Many: true,
		Doc: "Header fields in their order, each as [name, value]; filters pick one by name: http.request.headers.origin.",
		len: func(r Record) int { return 2 * len(p.req(r).Headers) },
		str: func(r Record, i int) (string, bool) { return pair(p.req(r).Headers, i) },
		has: func(r Record) bool { return p.req(r).Method != "" },
	}
	answers := Field{
		Name: "http.response.headers", Kind: KindPairs, Many: true,
		Doc: "Header fields of the response, as those of the request.",
		len: func(r Record) int { return 2 * len(p.resp(r).Headers) },
		str: func(r Record, i int) (string, bool) { return pair(p.resp(r).Headers, i) },
		has: func(r Record) bool { return p.resp(r).Status != 0 },
	}
	return []Field{
		text("http.version", "The version of HTTP that the request speaks, such as 1.1; the response's where no request was seen.", func(r Record, _ int) (string, bool) {
			if v := p.req(r).Version; v != "" {
				return version(v)
			}
			return version(p.resp(r).Version)
		}),
		text("http.request.method", "The method, such as GET.", func(r Record, _ int) (string, bool) { return ifSome(p.req(r).Method) }),
		text("http.request.target", "The request target, such as /chat?room=1.", func(r Record, _ int) (string, bool) { return ifSome(p.req(r).Target) }),
		headers,
		num(KindInt, "http.response.status_code", "The status, such as 101.", func(r Record, _ int) (int64, bool) { return unlessZero(int64(p.resp(r).Status)) }),
		text("http.response.reason", "The words behind the status.", func(r Record, _ int) (string, bool) { return ifSome(p.resp(r).Reason) }),
		answers,
		text("http.response.body", "The beginning of the body, at most 1024 bytes.", func(r Record, _ int) (string, bool) { return ifSome(p.resp(r).Body) }),
	}
}

var httpDuration = []Field{
	num(KindDuration, "http.duration_ms", "Time from the request to the end of the response's head.", func(r Record, _ int) (int64, bool) {
		return ifCounted(r.(*HTTP).Duration)
	}),
}
