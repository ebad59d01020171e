package websocket

import (
	"encoding/binary"
	"math/bits"
)

// Unmask writes src, a part of a payload masked with key, to dst as it was
// before masking; masking is the same operation (RFC 6455 section 5.3). The
// first byte of src is byte pos of the payload. dst must be at least as long as
// src, and be src or not overlap it.
func Unmask(dst, src []byte, key [4]byte, pos int64) {
	k := wideKey(key, pos)
	dst = dst[:len(src)]
	i := 0
	for ; i+64 <= len(src); i += 64 {
		s, d := src[i:i+64:i+64], dst[i:i+64:i+64]
		binary.LittleEndian.PutUint64(d[0:8], binary.LittleEndian.Uint64(s[0:8])^k)
		binary.LittleEndian.PutUint64(d[8:16], binary.LittleEndian.Uint64(s[8:16])^k)
		binary.LittleEndian.PutUint64(d[16:24], binary.LittleEndian.Uint64(s[16:24])^k)
		binary.LittleEndian.PutUint64(d[24:32], binary.LittleEndian.Uint64(s[24:32])^k)
		binary.LittleEndian.PutUint64(d[32:40], binary.LittleEndian.Uint64(s[32:40])^k)
		binary.LittleEndian.PutUint64(d[40:48], binary.LittleEndian.Uint64(s[40:48])^k)
		binary.LittleEndian.PutUint64(d[48:56], binary.LittleEndian.Uint64(s[48:56])^k)
		binary.LittleEndian.PutUint64(d[56:64], binary.LittleEndian.Uint64(s[56:64])^k)
	}
	for ; i+8 <= len(src); i += 8 {
		binary.LittleEndian.PutUint64(dst[i:i+8], binary.LittleEndian.Uint64(src[i:i+8])^k)
	}
	for ; i < len(src); i++ {
		dst[i] = src[i] ^ byte(k)
		k = bits.RotateLeft64(k, -8)
	}
}

// wideKey returns key twice, turned so that its first byte belongs to byte pos
// of the payload, as a little-endian word.
func wideKey(key [4]byte, pos int64) uint64 {
	k := bits.RotateLeft32(binary.LittleEndian.Uint32(key[:]), -8*int(pos&3))
	return uint64(k)<<32 | uint64(k)
}
