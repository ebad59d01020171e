// Package websocket decodes the WebSocket protocol (RFC 6455) and its
// permessage-deflate extension (RFC 7692) as an observer sees it: handshakes,
// frames, messages, and what is wrong with them.
//
// CheckHandshake reads the two heads of a session. A Side follows one direction
// of the bytes behind them and hands frames and messages to a Handler. Pings
// pairs the pings and pongs of both. What breaks a rule and leaves the frame
// boundaries intact is an issue of a frame and never stops decoding; where the
// place is lost, a Finder looks for the next boundary, and what lies before it
// is counted and not guessed at.
package websocket
