package record

import (
	"slices"

	"framescope/decode/finding"
	"framescope/decode/websocket"
)

var handshakeFields = []Field{
	{
		Name: "websocket.ok", Kind: KindBool, Null: true,
		Doc: "Whether frames may follow: status 101, and both sides did what RFC 6455 section 4 demands; null when that cannot be told.",
		num: func(r Record, _ int) (int64, bool) { return tri(r.(*Handshake).OK) },
	},
	{
		Name: "websocket.accept_ok", Kind: KindBool, Null: true,
		Doc: "Whether Sec-WebSocket-Accept answers Sec-WebSocket-Key; null when one of them was not seen.",
		num: func(r Record, _ int) (int64, bool) { return tri(r.(*Handshake).AcceptOK) },
	},
	text("websocket.url", "What was asked for, such as ws://chat.example/room.", func(r Record, _ int) (string, bool) { return ifSome(r.(*Handshake).URL) }),
	text("websocket.subprotocol", "The subprotocol that the server chose.", func(r Record, _ int) (string, bool) { return ifSome(r.(*Handshake).Subprotocol) }),
	{
		Name: "websocket.extensions", Kind: KindString, Many: true,
		Doc: "Names of the extensions that the server chose.",
		len: func(r Record) int { return len(r.(*Handshake).Extensions) },
		str: func(r Record, i int) (string, bool) { return r.(*Handshake).Extensions[i], true },
	},
	text("websocket.extension_params", "The chosen extensions with their parameters, as the server wrote them.", func(r Record, _ int) (string, bool) {
		return ifSome(r.(*Handshake).ExtensionParams)
	}),
	num(KindDuration, "websocket.handshake_ms", "Time from the request to the end of the response's head.", func(r Record, _ int) (int64, bool) {
		return ifCounted(r.(*Handshake).Duration)
	}),
	issues(func(r Record) *finding.Set { return &r.(*Handshake).Issues }),
}

func issues(of func(r Record) *finding.Set) Field {
	return Field{
		Name: "websocket.issues", Kind: KindString, Many: true, Words: findings,
		Doc: "Ids of what is wrong with it.",
		len: func(r Record) int { return of(r).Len() },
		str: func(r Record, i int) (string, bool) { return of(r).At(i).String(), true },
	}
}

// opcodes are the names of the opcodes by their number.
var opcodes = func() (names []string) {
	for o := range websocket.Opcode(16) {
		names = append(names, o.String())
	}
	return names
}()

func opcode(doc string, of func(r Record) websocket.Opcode) Field {
	return Field{
		Name: "websocket.opcode", Kind: KindString, Doc: doc, Words: opcodes, Numbered: true,
		str: func(r Record, _ int) (string, bool) { return of(r).String(), true },
	}
}

func payload(doc string, of func(r Record) (p []byte, text, more bool)) []Field {
	return []Field{
		{
			Name: "websocket.payload", Kind: KindPayload, Doc: doc,
			raw: func(r Record) ([]byte, bool) { p, _, _ := of(r); return p, p != nil },
			num: func(r Record, _ int) (int64, bool) { _, text, _ := of(r); return flag(text) },
		},
		num(KindBool, "websocket.payload_more", "Set to true where the payload goes on beyond what is shown.", func(r Record, _ int) (int64, bool) {
			_, _, more := of(r)
			return 1, more
		}),
	}
}

var frameFields = slices.Concat([]Field{
	opcode("What the frame is: continuation, text, binary, close, ping, pong; op3 to op7 and op11 to op15 are reserved.",
		func(r Record) websocket.Opcode { return r.(*Frame).Header.Opcode }),
	num(KindBool, "websocket.fin", "The FIN bit: the last frame of a message.", func(r Record, _ int) (int64, bool) { return flag(r.(*Frame).Header.Fin) }),
	num(KindInt, "websocket.rsv", "The reserved bits: 4 for RSV1, 2 for RSV2, 1 for RSV3.", func(r Record, _ int) (int64, bool) { return int64(r.(*Frame).Header.RSV), true }),
	num(KindBool, "websocket.masked", "The MASK bit.", func(r Record, _ int) (int64, bool) { return flag(r.(*Frame).Header.Masked) }),
	{
		Name: "websocket.mask", Kind: KindHex, Doc: "The masking key of a masked frame.",
		raw: func(r Record) ([]byte, bool) { h := &r.(*Frame).Header; return h.Mask[:], h.Masked },
	},
	num(KindInt, "websocket.bytes", "Length of the payload on the wire, without the header.", func(r Record, _ int) (int64, bool) { return r.(*Frame).Header.Length, true }),
	num(KindInt, "websocket.inflated_bytes", "What the payload inflated to, where it was compressed.", func(r Record, _ int) (int64, bool) { return unlessZero(r.(*Frame).Inflated) }),
	num(KindInt, "websocket.offset", "Offset of the frame's header in the direction's stream, from 0 at the first byte after the SYN.", func(r Record, _ int) (int64, bool) { return r.(*Frame).Off, true }),
	num(KindInt, "websocket.subflow", "The MPTCP subflow that carried the header, from 1; absent where there is only one.", func(r Record, _ int) (int64, bool) {
		return unlessZero(int64(r.(*Frame).Subflow))
	}),
	num(KindInt, "websocket.captured_bytes", "Payload bytes that are in the capture, where not all are.", func(r Record, _ int) (int64, bool) {
		f := r.(*Frame)
		return f.Captured, f.Captured != f.Header.Length
	}),
	num(KindBool, "websocket.ended", "Set to true where the stream ended inside the frame.", func(r Record, _ int) (int64, bool) { return 1, r.(*Frame).Ended }),
	num(KindDuration, "websocket.rtt_ms", "Time from the ping to this pong that answers it.", func(r Record, _ int) (int64, bool) {
		f := r.(*Frame)
		return f.RTT, f.Header.Opcode == websocket.Pong && f.RTT >= 0
	}),
},
	payload("The beginning of the payload, unmasked and inflated: text, or hex as websocket.payload_hex.", func(r Record) ([]byte, bool, bool) {
		f := r.(*Frame)
		return f.Payload, f.Text, f.More
	}),
	[]Field{issues(func(r Record) *finding.Set { return &r.(*Frame).Issues })})

var messageFields = slices.Concat([]Field{
	opcode("What the message is: text or binary.", func(r Record) websocket.Opcode { return r.(*Message).Opcode }),
	num(KindInt, "websocket.bytes", "Length of the message, inflated; absent when it could not be inflated.", func(r Record, _ int) (int64, bool) { return ifCounted(r.(*Message).Bytes) }),
	num(KindInt, "websocket.wire_bytes", "Length of the payloads of its frames on the wire.", func(r Record, _ int) (int64, bool) { return always(r.(*Message).Wire) }),
	num(KindInt, "websocket.frames", "How many frames it has.", func(r Record, _ int) (int64, bool) { return always(r.(*Message).Frames) }),
	num(KindBool, "websocket.compressed", "Whether permessage-deflate applied to it.", func(r Record, _ int) (int64, bool) { return flag(r.(*Message).Compressed) }),
	num(KindBool, "websocket.complete", "Whether payload and sha256 stand for the whole message.", func(r Record, _ int) (int64, bool) { return flag(r.(*Message).Complete) }),
	text("websocket.cause", "Why it is not complete.", func(r Record, _ int) (string, bool) { return ifSome(r.(*Message).Cause) }),
	{
		Name: "websocket.sha256", Kind: KindHex, Doc: "SHA-256 of the message, inflated, where it was asked for.",
		raw: func(r Record) ([]byte, bool) { m := r.(*Message); return m.SHA256, len(m.SHA256) > 0 },
	},
},
	payload("The message or its beginning, unmasked and inflated: text, or hex as websocket.payload_hex.", func(r Record) ([]byte, bool, bool) {
		m := r.(*Message)
		return m.Payload, m.Text, m.More
	}),
	[]Field{issues(func(r Record) *finding.Set { return &r.(*Message).Issues })})

var closeFields = []Field{
	num(KindInt, "websocket.code", "The status code: 1005 for a close frame without one, 1006 where the session ended without a close frame.", func(r Record, _ int) (int64, bool) {
		c := r.(*Close)
		return int64(c.Code), !c.Malformed
	}),
	num(KindBool, "websocket.malformed", "Set to true where the close frame holds a single byte or was cut off: then there is no code.", func(r Record, _ int) (int64, bool) {
		return 1, r.(*Close).Malformed
	}),
	text("websocket.reason", "The reason, where the frame gives one.", func(r Record, _ int) (string, bool) { return ifSome(r.(*Close).Reason) }),
	num(KindBool, "websocket.clean", "Whether both sides sent a close frame.", func(r Record, _ int) (int64, bool) { return flag(r.(*Close).Clean) }),
	words(sideNames, text("websocket.ended_by", "The side that sent the first close frame or, without one, the first FIN or RST.", func(r Record, _ int) (string, bool) {
		return ifSome(r.(*Close).EndedBy.String())
	})),
	issues(func(r Record) *finding.Set { return &r.(*Close).Issues }),
}
