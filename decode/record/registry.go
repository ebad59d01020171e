package record

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"

	"framescope/decode/finding"
)

// registry lists the fields of every type in the order in which they are
// written. The fields of a JSON object follow each other.
var registry = sync.OnceValue(func() *[Types][]Field {
	return &[Types][]Field{
		TypeConn:      slices.Concat(head("conn"), connFields),
		TypeHTTP:      slices.Concat(head("http"), flow(false), httpFields(httpParts), httpDuration),
		TypeHandshake: slices.Concat(head("ws_handshake"), flow(false), httpFields(handshakeParts), handshakeFields),
		TypeFrame:     slices.Concat(head("ws_frame"), flow(true), frameFields),
		TypeMessage:   slices.Concat(head("ws_message"), flow(true), messageFields),
		TypeClose:     slices.Concat(head("ws_close"), flow(true), closeFields),
		TypeDeclared:  slices.Concat(head("frame"), flow(true), declaredRecordFields),
		TypePacket:    slices.Concat(head("packet"), packetFields),
		TypeFinding:   slices.Concat(head("finding"), flow(true), findingFields),
		TypeSummary:   slices.Concat(head("summary"), summaryFields),
		TypeSocket:    slices.Concat(head("socket")[:2], socketFields()),
	}
})

// Constructors of fields, for tables that read as tables.

func num(kind Kind, name, doc string, get func(r Record, i int) (int64, bool)) Field {
	return Field{Name: name, Kind: kind, Doc: doc, num: get}
}

func text(name, doc string, get func(r Record, i int) (string, bool)) Field {
	return Field{Name: name, Kind: KindString, Doc: doc, str: get}
}

func addr(name, doc string, get func(r Record) (netip.Addr, bool)) Field {
	return Field{Name: name, Kind: KindIP, Doc: doc, ip: get}
}

func derived(f Field) Field { f.Derived = true; return f }

// words names all values that a field has.
func words(all []string, f Field) Field { f.Words = all; return f }

var sideNames = []string{"client", "server"}

// findings are the ids of the catalogue. Those of the close codes of
// applications are more: close-3000 to close-4999.
var findings = func() (names []string) {
	for id := range finding.All() {
		names = append(names, id.String())
	}
	return names
}()

func flag(b bool) (int64, bool) {
	if b {
		return 1, true
	}
	return 0, true
}

func tri(t Tri) (int64, bool) {
	switch t {
	case Yes:
		return 1, true
	case No:
		return 0, true
	}
	return 0, false
}

func ifSome(s string) (string, bool)   { return s, s != "" }
func unlessZero(n int64) (int64, bool) { return n, n != 0 }
func ifCounted(n int64) (int64, bool)  { return n, n >= 0 }
func always(n int64) (int64, bool)     { return n, true }

// head returns what all types have. AppendJSON writes the fields that are not
// derived by itself.
func head(typ string) []Field {
	fields := []Field{
		words(typeNames[:], derived(text("type", "The type of the record.", func(Record, int) (string, bool) { return typ, true }))),
		num(KindTime, "ts", "When the record's first packet was captured.", func(r Record, _ int) (int64, bool) {
			h := r.Shared()
			return h.Time, h.Time != 0 || h.First != 0
		}),
		text("file", "The capture file as it was named on the command line.", func(r Record, _ int) (string, bool) {
			return ifSome(r.Shared().File)
		}),
		num(KindConn, "conn", "The connection, numbered over the run: C1 for the first TCP connection, U1 for the first UDP flow, G1 for the first membership in a multicast group.", func(r Record, _ int) (int64, bool) {
			c := r.Shared().Conn
			if c == nil {
				return 0, false
			}
			return c.ID, true
		}),
		words(sideNames, text("direction", "The side that sent what the record describes: client or server.", func(r Record, _ int) (string, bool) {
			return ifSome(r.Shared().Direction.String())
		})),
	}
	for i := range fields {
		fields[i].head = true
	}
	return fields
}

// flow returns the addresses of the record's connection and the packets of the
// record. Where the addresses are derived they come without saying in JSON: the
// conn record has them.
func flow(derive bool) []Field {
	fields := []Field{
		text("network.community_id", "Community ID of version 1 of the connection.", func(r Record, _ int) (string, bool) {
			return ifSome(communityID(r.Shared().Conn))
		}),
		addr("source.ip", "Address of the side that opened the connection.", func(r Record) (netip.Addr, bool) { return ipOf(source(r)) }),
		num(KindInt, "source.port", "Its port.", func(r Record, _ int) (int64, bool) { return portOf(source(r)) }),
		addr("destination.ip", "Address of the other side.", func(r Record) (netip.Addr, bool) { return ipOf(destination(r)) }),
		num(KindInt, "destination.port", "Its port.", func(r Record, _ int) (int64, bool) { return portOf(destination(r)) }),
	}
	for i := range fields {
		fields[i].Derived = derive
	}
	return append(append(fields, packets...), sides...)
}

var packets = []Field{
	num(KindInt, "packet.first", "Number of the packet that brought the first byte, from 1.", func(r Record, _ int) (int64, bool) {
		return unlessZero(r.Shared().First)
	}),
	num(KindInt, "packet.last", "Number of the packet that brought the last byte.", func(r Record, _ int) (int64, bool) {
		return unlessZero(r.Shared().Last)
	}),
}

// sides are the addresses by who sent the record instead of by who opened the
// connection.
var sides = []Field{
	filterOnly(addr("sender.ip", "Address of the side that sent what the record describes; of the source where that has no direction.",
		func(r Record) (netip.Addr, bool) { return ipOf(sender(r)) })),
	filterOnly(num(KindInt, "sender.port", "Its port.", func(r Record, _ int) (int64, bool) { return portOf(sender(r)) })),
	filterOnly(addr("receiver.ip", "Address of the other side.", func(r Record) (netip.Addr, bool) { return ipOf(receiver(r)) })),
	filterOnly(num(KindInt, "receiver.port", "Its port.", func(r Record, _ int) (int64, bool) { return portOf(receiver(r)) })),
}

func filterOnly(f Field) Field { f.Derived, f.FilterOnly = true, true; return f }

func source(r Record) netip.AddrPort {
	if p, ok := r.(*Packet); ok {
		return p.Source
	}
	if c := r.Shared().Conn; c != nil {
		return c.Source
	}
	return netip.AddrPort{}
}

func destination(r Record) netip.AddrPort {
	if p, ok := r.(*Packet); ok {
		return p.Destination
	}
	if c := r.Shared().Conn; c != nil {
		return c.Destination
	}
	return netip.AddrPort{}
}

func sender(r Record) netip.AddrPort {
	if r.Shared().Direction == Server && r.Type() != TypePacket {
		return destination(r)
	}
	return source(r)
}

func receiver(r Record) netip.AddrPort {
	if r.Shared().Direction == Server && r.Type() != TypePacket {
		return source(r)
	}
	return destination(r)
}

func ipOf(a netip.AddrPort) (netip.Addr, bool) {
	ip := a.Addr().Unmap().WithZone("")
	return ip, ip.IsValid()
}

func portOf(a netip.AddrPort) (int64, bool) {
	return int64(a.Port()), a.Addr().IsValid() && a.Port() != 0
}

func communityID(c *Conn) string {
	switch {
	case c == nil:
		return ""
	case c.CommunityID != "":
		return c.CommunityID
	case c.Transport == IGMP || c.Transport == MLD:
		return "" // it has no ports
	}
	return CommunityID(cmp.Or(c.Transport, TCP), c.Source, c.Destination)
}
