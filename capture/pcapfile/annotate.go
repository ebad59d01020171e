package pcapfile

// Flags of a packet: epb_flags of draft-ietf-opsawg-pcapng section 4.3.1. At
// most one of the two directions, and one of the four kinds of reception, can
// be said.
const (
	FlagInbound     = 1
	FlagOutbound    = 2
	FlagUnicast     = 1 << 2
	FlagMulticast   = 2 << 2
	FlagBroadcast   = 3 << 2
	FlagPromiscuous = 4 << 2
)

// An Annotation is what can be said about a packet besides its data.
type Annotation struct {
	// Flags are some of the constants above, zero for none. They cost 12 bytes
	// in the file.
	Flags uint32
	// Comment is shown by Wireshark; "" for none. What is longer than 65535
	// bytes is cut.
	Comment string
}

// Annotated writes one packet like Packets, with what a says.
func (w *Writer) Annotated(p *Packet, a *Annotation) error {
	if err := w.check(p); err != nil {
		return err
	}
	q := *p
	q.Data = q.Data[:min(len(q.Data), w.most)]
	o := w.options[:0]
	if a.Flags != 0 {
		o = le.AppendUint16(o, optFlags)
		o = le.AppendUint16(o, 4)
		o = le.AppendUint32(o, a.Flags)
	}
	o = appendText(o, optComment, a.Comment)
	o = appendEnd(o, 0)
	w.options = o[:0]
	size := blockSize(len(q.Data)) + len(o)
	var header [blockHeader + packetFields]byte
	putPacketHeader(header[:], &q, size)
	var zeros [3]byte
	if err := w.put(size, header[:], q.Data, zeros[:-len(q.Data)&3], o); err != nil {
		return err
	}
	w.packets++
	return nil
}
