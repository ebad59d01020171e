// Package http1 reads the heads of HTTP/1 requests and responses and tells how
// long the bodies behind them are (RFC 9112), without allocation.
package http1

// A Field is one header field line. Name and Value alias the bytes that were
// parsed; Value is without surrounding white space.
type Field struct{ Name, Value []byte }

// A Header is the field lines of a head in their order on the wire, names as
// they were written.
type Header []Field
