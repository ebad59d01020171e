package framing

import (
	"hash/crc32"
	"sync"
)

// An algorithm computes a checksum over bytes that come in pieces.
type algorithm struct {
	name   string
	bits   int
	start  uint64
	update func(state uint64, b []byte) uint64
	end    func(state uint64) uint64
}

func same(v uint64) uint64 { return v }

// findAlgorithm returns the checksum of that name.
func findAlgorithm(name string) (a algorithm, ok bool) {
	for _, a := range algorithms() {
		if a.name == name {
			return a, true
		}
	}
	return a, false
}

// algorithms are the checksums of the language.
func algorithms() []algorithm {
	return []algorithm{
		{"crc32", 32, 0, func(s uint64, b []byte) uint64 { return uint64(crc32.Update(uint32(s), crc32.IEEETable, b)) }, same},
		{"crc32c", 32, 0, func(s uint64, b []byte) uint64 {
			return uint64(crc32.Update(uint32(s), crc32.MakeTable(crc32.Castagnoli), b))
		}, same},
		crc16("crc16-arc", 0x8005, 0, true, 0),
		crc16("crc16-modbus", 0x8005, 0xffff, true, 0),
		crc16("crc16-usb", 0x8005, 0xffff, true, 0xffff),
		crc16("crc16-ccitt", 0x1021, 0xffff, false, 0),
		crc16("crc16-xmodem", 0x1021, 0, false, 0),
		crc16("crc16-kermit", 0x1021, 0, true, 0),
		crc16("crc16-x25", 0x1021, 0xffff, true, 0xffff),
		{"adler32", 32, 1, adler, same},
		{"sum8", 8, 0, sum, func(s uint64) uint64 { return s & 0xff }},
		{"sum16", 16, 0, sum, func(s uint64) uint64 { return s & 0xffff }},
		{"xor8", 8, 0, xor, same},
		{"inet16", 16, 0, internet, internetEnd},
	}
}

// crc16 returns a CRC of 16 bits by its parameters in the Rocksoft model;
// reflected ones take bits from the least significant on.
func crc16(name string, poly, start uint16, reflected bool, final uint16) algorithm {
	table := sync.OnceValue(func() *[256]uint16 { return crc16Table(poly, reflected) })
	update := func(s uint64, b []byte) uint64 {
		t, v := table(), uint16(s)
		for _, c := range b {
			v = v<<8 ^ t[byte(v>>8)^c]
		}
		return uint64(v)
	}
	if reflected {
		update = func(s uint64, b []byte) uint64 {
			t, v := table(), uint16(s)
			for _, c := range b {
				v = v>>8 ^ t[byte(v)^c]
			}
			return uint64(v)
		}
	}
	return algorithm{name, 16, uint64(start), update, func(s uint64) uint64 { return s ^ uint64(final) }}
}

func crc16Table(poly uint16, reflected bool) *[256]uint16 {
	var t [256]uint16
	if reflected {
		var r uint16
		for i := range 16 {
			r |= poly >> i & 1 << (15 - i)
		}
		poly = r
	}
	for i := range t {
		v := uint16(i)
		if !reflected {
			v <<= 8
		}
		for range 8 {
			switch {
			case reflected && v&1 != 0:
				v = v>>1 ^ poly
			case reflected:
				v >>= 1
			case v&0x8000 != 0:
				v = v<<1 ^ poly
			default:
				v <<= 1
			}
		}
		t[i] = v
	}
	return &t
}

// adler is Adler-32 (RFC 1950 section 8.2).
func adler(s uint64, b []byte) uint64 {
	const mod, most = 65521, 5552
	lo, hi := uint32(s&0xffff), uint32(s>>16)
	for len(b) > 0 {
		n := min(len(b), most)
		for _, c := range b[:n] {
			lo += uint32(c)
			hi += lo
		}
		lo, hi = lo%mod, hi%mod
		b = b[n:]
	}
	return uint64(hi)<<16 | uint64(lo)
}

func sum(s uint64, b []byte) uint64 {
	for _, c := range b {
		s += uint64(c)
	}
	return s
}

func xor(s uint64, b []byte) uint64 {
	v := byte(s)
	for _, c := range b {
		v ^= c
	}
	return uint64(v)
}

// internet is the sum of RFC 1071. Bit 63 of the state says that the number of
// bytes so far is odd.
func internet(s uint64, b []byte) uint64 {
	const odd = 1 << 63
	o, v := s&odd != 0, s&^odd
	if o && len(b) > 0 {
		v += uint64(b[0])
		b, o = b[1:], false
	}
	for ; len(b) >= 2; b = b[2:] {
		v += uint64(b[0])<<8 | uint64(b[1])
	}
	if len(b) > 0 {
		v += uint64(b[0]) << 8
		o = true
	}
	v = v>>32 + v&0xffffffff
	if o {
		v |= odd
	}
	return v
}

func internetEnd(s uint64) uint64 {
	s &^= 1 << 63
	for s>>16 != 0 {
		s = s>>16 + s&0xffff
	}
	return ^s & 0xffff
}

// A check is a checksum of a variant.
type check struct {
	algorithm
	field *field
	// over: which bytes it covers.
	header  bool // all of the header, the check's own field as zeros
	parts   []int
	payload bool
	tail    int // bytes of the trailer
	tailOff int // of the trailer's covered bytes
	// inTrailer and off say where the value stands: in the trailer, at a fixed
	// offset, or in the header's field number index.
	inTrailer bool
	off       int
	index     int
	over      []string // as it was declared
}
