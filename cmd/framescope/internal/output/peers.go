package output

import "strings"

// cutPeers returns the two ends of a connection in at most so many columns.
// Addresses are shortened in their middle: the beginning tells the network, the
// end the host. Ports stay.
func cutPeers(peers string, room int) string {
	from, to, ok := strings.Cut(peers, " > ")
	if width(peers) <= room || !ok {
		return cutTo(peers, room)
	}
	a, aPort := cutPort(from)
	b, bPort := cutPort(to)
	room -= len(" > ") + len(aPort) + len(bPort)
	// The shorter one leaves what it does not need to the other.
	half := room / 2
	switch {
	case len(a) <= half:
		b = cutMiddle(b, room-len(a))
	case len(b) <= half:
		a = cutMiddle(a, room-len(b))
	default:
		a, b = cutMiddle(a, half), cutMiddle(b, room-half)
	}
	return a + aPort + " > " + b + bPort
}

// cutPort takes the port from behind an address. An address without one ends in
// no bracket, and has more than one colon or none.
func cutPort(end string) (addr, port string) {
	i := strings.LastIndexByte(end, ':')
	if i < 0 || !strings.HasSuffix(end[:i], "]") && strings.IndexByte(end, ':') != i {
		return end, ""
	}
	return end[:i], end[i:]
}

// cutMiddle returns an address in at most n columns, but not less than 7.
func cutMiddle(addr string, n int) string {
	n = max(n, 7)
	if len(addr) <= n {
		return addr
	}
	n -= len("...")
	return addr[:n/2] + "..." + addr[len(addr)-(n-n/2):]
}
