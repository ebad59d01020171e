// Package websocket decodes the WebSocket protocol (RFC 6455) and its
// permessage-deflate extension (RFC 7692): frames, messages, handshakes.
package websocket
