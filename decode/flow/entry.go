package flow

import (
	"framescope/decode/packet"
)

// resets reports whether a RST counts: one that is nowhere near what its side
// has sent is dropped by its receiver (RFC 9293 section 3.5.3).
func (en *entry) resets(seq uint32, dir uint8) bool {
	diff := int32(seq - en.next[dir])
	return en.seen>>dir&1 == 0 || diff >= -window && diff <= window
}

// owns reports whether a segment belongs to the connection of en rather than
// to a new one with the same addresses and ports.
func (en *entry) owns(pk *packet.Packet, dir uint8) bool {
	d, o := uint8(1)<<dir, uint8(2)>>dir
	if pk.Flags&flagSYN != 0 && pk.Flags&flagRST == 0 {
		switch {
		case en.synced&d != 0 && en.isn[dir] == pk.Seq:
			return true // sent again
		case pk.Flags&flagACK != 0 && en.synced&o != 0:
			// An answer to the SYN that is known, even if it is another one.
			// It may acknowledge data that came with the SYN (RFC 7413).
			first := en.isn[1-dir] + 1
			return pk.Ack-first <= en.next[1-dir]-first && en.state != stateDead
		case en.synced&d != 0, en.state != stateOpen:
			return false
		case en.seen&d != 0:
			// A SYN that the capture put behind its data.
			return en.next[dir]-pk.Seq < near
		default:
			return pk.Flags&flagACK != 0 || en.synced&o != 0 || en.seen&o == 0
		}
	}
	if en.state == stateDead && pk.Wire > 0 && pk.Flags&flagRST == 0 {
		// Bytes that the old connection did not have: another one, whose SYN was
		// not captured, or its peers did not believe the RST.
		end := int32(pk.Seq + uint32(pk.Wire) - en.next[dir])
		return en.seen&d != 0 && end <= 0 && end > -near
	}
	return true
}

// note remembers what a segment tells of its connection.
func (en *entry) note(pk *packet.Packet, dir uint8, now int64) {
	en.recent = true
	en.last = now
	d := uint8(1) << dir
	end := pk.Seq + uint32(pk.Wire)
	if pk.Flags&(flagSYN|flagFIN|flagRST) != 0 {
		if pk.Flags&flagRST != 0 {
			return // its sequence number need not mean anything
		}
		if pk.Flags&flagSYN != 0 {
			end++
			if en.synced&d == 0 {
				en.synced |= d
				en.isn[dir] = pk.Seq
			}
		}
		if pk.Flags&flagFIN != 0 {
			end++
			en.fins |= d
		}
	}
	if en.seen&d == 0 || int32(end-en.next[dir]) > 0 {
		en.seen |= d
		en.next[dir] = end
	}
}
