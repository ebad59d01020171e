package record

import "slices"

// aliases are names that other tools use for our fields, Wireshark above all.
// They are understood in filters and never written. Where there are several
// fields, any of them may match.
var aliases = map[string][]string{
	"ip.addr": {"source.ip", "destination.ip"}, "ipv6.addr": {"source.ip", "destination.ip"}, "ip.host": {"source.ip", "destination.ip"},
	"ip.src": {"sender.ip"}, "ipv6.src": {"sender.ip"}, "ip.src_host": {"sender.ip"},
	"ip.dst": {"receiver.ip"}, "ipv6.dst": {"receiver.ip"}, "ip.dst_host": {"receiver.ip"},
	"tcp.port": {"source.port", "destination.port"}, "udp.port": {"source.port", "destination.port"}, "port": {"source.port", "destination.port"},
	"tcp.srcport": {"sender.port"}, "udp.srcport": {"sender.port"},
	"tcp.dstport": {"receiver.port"}, "udp.dstport": {"receiver.port"},
	"tcp.flags.str": {"tcp.flags"}, "tcp.seq_raw": {"tcp.seq"}, "tcp.ack_raw": {"tcp.ack"}, "tcp.len": {"packet.payload_bytes"},

	"frame.number": {"packet.first", "packet.last"}, "packet.number": {"packet.first", "packet.last"},
	"frame.len": {"packet.bytes"}, "frame.cap_len": {"packet.captured_bytes"},
	"frame.time": {"ts"}, "frame.time_epoch": {"ts"}, "@timestamp": {"ts"}, "time": {"ts"},
	"communityid": {"network.community_id"},

	"http.request.uri": {"http.request.target"}, "http.request.full_uri": {"websocket.url"}, "url.full": {"websocket.url"},
	"http.request.version": {"http.version"}, "http.response.code": {"http.response.status_code"},
	"http.response.phrase": {"http.response.reason"}, "http.file_data": {"http.response.body"}, "http.response.body.content": {"http.response.body"},
	"http.host": {requestHeaders + "host"}, "http.user_agent": {requestHeaders + "user-agent"}, "user_agent.original": {requestHeaders + "user-agent"},
	"http.referer": {requestHeaders + "referer"}, "http.cookie": {requestHeaders + "cookie"}, "http.origin": {requestHeaders + "origin"},
	"http.authorization": {requestHeaders + "authorization"}, "http.proxy_authorization": {requestHeaders + "proxy-authorization"},
	"http.x_forwarded_for": {requestHeaders + "x-forwarded-for"}, "http.sec_websocket_key": {requestHeaders + "sec-websocket-key"},
	"http.sec_websocket_accept": {responseHeaders + "sec-websocket-accept"}, "http.server": {responseHeaders + "server"},
	"http.location": {responseHeaders + "location"}, "http.set_cookie": {responseHeaders + "set-cookie"}, "http.www_authenticate": {responseHeaders + "www-authenticate"},
	"http.sec_websocket_version":    {requestHeaders + "sec-websocket-version", responseHeaders + "sec-websocket-version"},
	"http.sec_websocket_protocol":   {requestHeaders + "sec-websocket-protocol", responseHeaders + "sec-websocket-protocol"},
	"http.sec_websocket_extensions": {requestHeaders + "sec-websocket-extensions", responseHeaders + "sec-websocket-extensions"},
	"http.upgrade":                  {requestHeaders + "upgrade", responseHeaders + "upgrade"},
	"http.connection":               {requestHeaders + "connection", responseHeaders + "connection"},
	"http.content_type":             {requestHeaders + "content-type", responseHeaders + "content-type"},
	"http.content_length_header":    {requestHeaders + "content-length", responseHeaders + "content-length"},

	"websocket.payload_length": {"websocket.bytes"}, "websocket.payload_length_ext_16": {"websocket.bytes"}, "websocket.payload_length_ext_64": {"websocket.bytes"},
	"websocket.masking_key": {"websocket.mask"}, "websocket.payload.text": {"websocket.payload"},
	"websocket.payload.ping": {"websocket.payload"}, "websocket.payload.pong": {"websocket.payload"}, "websocket.payload.unknown": {"websocket.payload"},
	"websocket.payload.close.status_code": {"websocket.code"}, "websocket.payload.close.reason": {"websocket.reason"},
}

const (
	requestHeaders  = "http.request.headers."
	responseHeaders = "http.response.headers."
)

// Alias returns the names of the fields that another tool's name stands for,
// or nil.
func Alias(name string) []string { return slices.Clone(aliases[name]) }

// Aliases returns all names that Alias knows, sorted.
func Aliases() []string {
	names := make([]string, 0, len(aliases))
	for name := range aliases {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
