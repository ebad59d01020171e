package record

import "strconv"

// FirstUDP and FirstGroup are what the numbers of UDP flows and of memberships
// count from: TCP connections count from 0.
const (
	FirstUDP   int64 = 1 << 60
	FirstGroup int64 = 2 << 60
)

// AppendID appends the ID of a connection as people read it: C1 for the first TCP
// connection, U1 for the first UDP flow, G1 for the first membership.
func AppendID(dst []byte, id int64) []byte {
	switch {
	case id >= FirstGroup:
		return appendInt(append(dst, 'G'), id-FirstGroup)
	case id >= FirstUDP:
		return appendInt(append(dst, 'U'), id-FirstUDP)
	}
	return appendInt(append(dst, 'C'), id)
}

// ParseID reads what AppendID writes. The letter of TCP may be left out.
func ParseID(s string) (id int64, ok bool) {
	if s == "" {
		return 0, false
	}
	base := int64(0)
	switch s[0] {
	case 'C', 'c':
		s = s[1:]
	case 'U', 'u':
		base, s = FirstUDP, s[1:]
	case 'G', 'g':
		base, s = FirstGroup, s[1:]
	}
	n, err := strconv.ParseInt(s, 10, 60)
	return base + n, err == nil
}
