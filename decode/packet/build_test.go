package packet

import (
	"encoding/hex"
	"strings"
	"testing"
)

// unhex returns the bytes written as hex digits; white space is ignored.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The functions below build packets as hex digits, so that rows of a table can
// put their own header before a packet that is known to be right.

func hexLen(s string) int { return len(strings.Join(strings.Fields(s), "")) / 2 }

func hex16(n int) string {
	return hex.EncodeToString([]byte{byte(n >> 8), byte(n)})
}

func hexByte(n int) string { return hex.EncodeToString([]byte{byte(n)}) }

const (
	macs = "020000000002 020000000001 "
	snap = "aaaa03 000000 "
	// A TCP segment of 44 bytes from port 50000 to 80, with timestamps, a SACK
	// block and no payload.
	tcpOptions = "c350 0050 00000001 00000002 b018 01f6 0000 0000" +
		"0101 080a 00000064 00000065 0101 050a 00000010 00000020"
	// One of 24 bytes, with four bytes of payload: the innermost packet of
	// most rows.
	tcpData = "c350 0050 00000001 00000002 5018 01f6 0000 0000 70617965"
)

// v4 is an IPv4 packet from 10.0.0.1 to 10.0.0.2.
func v4(proto int, payload string) string {
	return "4500" + hex16(20+hexLen(payload)) + "1234 4000 40" + hexByte(proto) + "0000 0a000001 0a000002 " + payload
}

// outer4 is an IPv4 packet from 192.0.2.1 to 192.0.2.2.
func outer4(proto int, payload string) string {
	return "4500" + hex16(20+hexLen(payload)) + "1234 4000 40" + hexByte(proto) + "0000 c0000201 c0000202 " + payload
}

// v6 is an IPv6 packet from 2001:db8::1 to 2001:db8::2.
func v6(next int, payload string) string {
	return "60012345" + hex16(hexLen(payload)) + hexByte(next) + "40" +
		"20010db8000000000000000000000001 20010db8000000000000000000000002 " + payload
}

func udpTo(port int, payload string) string {
	return "c351" + hex16(port) + hex16(8+hexLen(payload)) + "0000 " + payload
}

// ether is an Ethernet frame.
func ether(t int, payload string) string { return macs + hex16(t) + payload }

// over4 is an Ethernet frame with a tunnel in IPv4.
func over4(proto int, payload string) string { return ether(typeIPv4, outer4(proto, payload)) }

// overUDP is an Ethernet frame with a tunnel in UDP.
func overUDP(port int, payload string) string { return over4(ProtoUDP, udpTo(port, payload)) }
