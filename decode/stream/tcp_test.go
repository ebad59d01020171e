package stream

import (
	"testing"
	"time"
)

// An event is one packet in the life of a stream.
type event func(*rig)

func seg(seq uint32, f Flags, payload string) event {
	return func(r *rig) { r.seg(seq, f, payload) }
}

// snap is a segment that was wire bytes long and of which payload was captured.
func snap(seq uint32, payload string, wire int) event {
	return func(r *rig) { r.give(Segment{Seq: seq, Payload: []byte(payload), Wire: wire}) }
}

func urg(seq uint32, payload string, pointer uint16) event {
	return func(r *rig) { r.give(Segment{Seq: seq, Flags: URG, Payload: []byte(payload), Urgent: pointer}) }
}

func ack(n uint32) event { return func(r *rig) { r.ack(n) } }

func acks(n uint32, times int) event {
	return func(r *rig) {
		for range times {
			r.ack(n)
		}
	}
}

func wait(d time.Duration) event { return func(r *rig) { r.now += int64(d) } }

func expire(r *rig) {
	r.Expire(r.now)
	r.drain(r.Next)
}

func finish(r *rig) { r.finish() }

var last = &Config{Overlap: Last}

// In the wanted text [4 acked] is a gap, <0+4> a conflict, {x} an urgent byte.
var tcpTests = []struct {
	name   string
	config *Config
	events []event
	want   string
	stats  Stats
}{
	{
		name:   "in order",
		events: []event{seg(999, SYN, ""), seg(1000, ACK, "GOOD"), seg(1004, ACK, "DATA"), seg(1008, FIN|ACK, ""), finish},
		want:   "GOODDATA",
		stats:  Stats{Packets: 2, Bytes: 8, Delivered: 8},
	},
	{
		name:   "out of order",
		events: []event{seg(999, SYN, ""), seg(1004, ACK, "DATA"), seg(1000, ACK, "GOOD"), finish},
		want:   "GOODDATA",
		stats:  Stats{Packets: 2, Bytes: 8, Delivered: 8, OutOfOrder: 1},
	},
	{
		name: "two holes, the later filled first",
		events: []event{
			seg(999, SYN, ""), seg(1008, 0, "CCCC"), seg(1016, 0, "EEEE"), seg(1012, 0, "DDDD"), seg(1004, 0, "BBBB"),
			seg(1000, 0, "AAAA"),
		},
		want:  "AAAABBBBCCCCDDDDEEEE",
		stats: Stats{Packets: 5, Bytes: 20, Delivered: 20, OutOfOrder: 3},
	},
	{
		name:   "retransmission, whole",
		events: []event{seg(999, SYN, ""), seg(1000, 0, "GOOD"), seg(1000, 0, "GOOD"), seg(1004, 0, "DATA")},
		want:   "GOODDATA",
		stats:  Stats{Packets: 3, Bytes: 12, Delivered: 8, Retransmitted: 4},
	},
	{
		name:   "retransmission, in part and with new bytes",
		events: []event{seg(999, SYN, ""), seg(1000, 0, "GOOD"), seg(1002, 0, "OD"), seg(1002, 0, "ODDATA"), seg(1000, 0, "GOODDATA!")},
		want:   "GOODDATA!",
		stats:  Stats{Packets: 4, Bytes: 21, Delivered: 9, Retransmitted: 12},
	},
	{
		name:   "retransmission of what waits, cut differently",
		events: []event{seg(999, SYN, ""), seg(1004, 0, "4567"), seg(1002, 0, "2345"), seg(1006, 0, "6789"), seg(1000, 0, "0123456789")},
		want:   "0123456789",
		stats:  Stats{Packets: 4, Bytes: 22, Delivered: 10, Retransmitted: 12, OutOfOrder: 2},
	},
	{
		name:   "overlap disagrees, handed out",
		events: []event{seg(999, SYN, ""), seg(1000, 0, "GOOD"), seg(1000, 0, "EVIL")},
		want:   "GOOD<0+4>",
		stats:  Stats{Packets: 2, Bytes: 8, Delivered: 4, Retransmitted: 4, Conflicts: 4},
	},
	{
		name:   "overlap disagrees, waiting",
		events: []event{seg(999, SYN, ""), seg(1004, 0, "GOOD"), seg(1005, 0, "OLDS"), seg(1000, 0, "VERY")},
		want:   "<6+1>VERYGOODS",
		stats:  Stats{Packets: 3, Bytes: 12, Delivered: 9, Retransmitted: 3, OutOfOrder: 1, Conflicts: 1},
	},
	{
		name:   "overlap disagrees, handed out and waiting, in one segment",
		events: []event{seg(999, SYN, ""), seg(1000, 0, "AAAA"), seg(1006, 0, "CC"), seg(1003, 0, "xBBx")},
		want:   "AAAA<3+4>BBCC",
		stats:  Stats{Packets: 3, Bytes: 10, Delivered: 8, Retransmitted: 2, OutOfOrder: 1, Conflicts: 2},
	},
	{
		name:   "overlap disagrees, the last wins until acknowledged",
		config: last,
		events: []event{
			seg(999, SYN, ""), seg(1000, 0, "GOOD"), seg(1000, 0, "EVIL"), ack(1004),
			seg(1000, 0, "GOOD"), ack(1004), seg(1004, 0, "!"), finish,
		},
		want:  "<0+4>EVIL<0+4>!",
		stats: Stats{Packets: 4, Bytes: 13, Delivered: 5, Retransmitted: 8, Conflicts: 8},
	},
	{
		name:   "the last wins: a hole, half an acknowledgement",
		config: last,
		events: []event{seg(999, SYN, ""), seg(1004, 0, "DATA"), seg(1000, 0, "GOOD"), ack(1006), seg(1002, 0, "LFDI"), finish},
		want:   "GOOD<2+4>DITA",
		stats:  Stats{Packets: 3, Bytes: 12, Delivered: 8, Retransmitted: 4, OutOfOrder: 1, Conflicts: 3},
	},
	{
		name:   "the last wins: nobody acknowledges",
		config: last,
		events: []event{seg(999, SYN, ""), seg(1000, 0, "GOOD"), wait(61 * time.Second), expire, seg(1004, 0, "!")},
		want:   "GOOD",
		stats:  Stats{Packets: 2, Bytes: 5, Delivered: 4},
	},
	{
		name:   "sequence numbers wrap",
		events: []event{seg(1<<32-3, SYN, ""), seg(2, 0, "DATA"), seg(1<<32-2, 0, "GOOD"), seg(6, 0, "!"), ack(7), finish},
		want:   "GOODDATA!",
		stats:  Stats{Packets: 3, Bytes: 9, Delivered: 9, OutOfOrder: 1},
	},
	{
		name:   "no SYN",
		events: []event{seg(5000, ACK, "DATA"), seg(4996, ACK, "LATE"), seg(5004, ACK, "!"), finish},
		want:   "DATA!",
		stats:  Stats{Packets: 3, Bytes: 9, Delivered: 5, Late: 4},
	},
	{
		name:   "no SYN, and a segment without data shows what is missing",
		events: []event{seg(5000, ACK, ""), seg(5004, ACK, "DATA"), finish},
		want:   "[4 end]DATA",
		stats:  Stats{Packets: 1, Bytes: 4, Delivered: 4, Missing: 4},
	},
	{
		name:   "no SYN, a keep-alive comes first",
		events: []event{seg(4999, ACK, ""), seg(4999, ACK, ""), seg(5000, ACK, "DATA"), finish},
		want:   "DATA",
		stats:  Stats{Packets: 1, Bytes: 4, Delivered: 4},
	},
	{
		name:   "no SYN, a keep-alive comes second",
		events: []event{seg(5000, ACK, ""), seg(4999, ACK, ""), seg(5000, ACK, "DATA"), finish},
		want:   "DATA",
	},
	{
		name:   "no SYN, a segment without data comes too early",
		events: []event{seg(5004, ACK, ""), seg(5000, ACK, "DATA"), finish},
		want:   "DATA",
		stats:  Stats{Packets: 1, Bytes: 4, Delivered: 4},
	},
	{
		name:   "no SYN, the FIN comes too early",
		events: []event{seg(5004, FIN, ""), seg(5000, ACK, "DATA"), finish},
		want:   "DATA",
		stats:  Stats{Packets: 1, Bytes: 4, Delivered: 4},
	},
	{
		name:   "no SYN, acknowledgements come too early",
		events: []event{ack(1000), ack(1010), seg(1004, ACK, "DATA"), finish},
		want:   "DATA[2 acked]",
		stats:  Stats{Packets: 1, Bytes: 4, Delivered: 4, Missing: 2},
	},
	{
		name:   "data from before the SYN",
		events: []event{seg(999, SYN, ""), seg(1000, 0, "GOOD"), seg(990, 0, "EVIL")},
		want:   "GOOD",
		stats:  Stats{Packets: 2, Bytes: 8, Delivered: 4, OutOfWindow: 1},
	},
	{
		name:   "SYN after data",
		events: []event{seg(1000, 0, "GOOD"), seg(999, SYN, ""), seg(1004, 0, "DATA")},
		want:   "GOODDATA",
		stats:  Stats{Packets: 2, Bytes: 8, Delivered: 8},
	},
	{
		name:   "SYN after data, with a hole before it",
		events: []event{seg(1004, 0, "DATA"), seg(999, SYN, ""), seg(1000, 0, "LATE"), seg(1008, 0, "!")},
		want:   "DATA!",
		stats:  Stats{Packets: 3, Bytes: 9, Delivered: 5, Missing: 4, Late: 4},
	},
	{
		name:   "SYN with data, refused and sent again",
		events: []event{seg(999, SYN, "GOOD"), seg(999, SYN, ""), seg(1000, 0, "GOODDATA")},
		want:   "GOODDATA",
		stats:  Stats{Packets: 2, Bytes: 12, Delivered: 8, Retransmitted: 4},
	},
	{
		name:   "SYN repeated, simultaneous open",
		events: []event{seg(999, SYN, ""), ack(1000), seg(999, SYN|ACK, ""), seg(1000, ACK, "GOOD")},
		want:   "GOOD",
		stats:  Stats{Packets: 1, Bytes: 4, Delivered: 4},
	},
	{
		name:   "split handshake: an ACK before the SYN",
		events: []event{seg(0, ACK, ""), seg(2999, SYN, ""), seg(3000, ACK, "GOOD"), finish},
		want:   "GOOD",
		stats:  Stats{Packets: 1, Bytes: 4, Delivered: 4},
	},
	{
		name:   "SYN of another connection",
		events: []event{seg(999, SYN, ""), seg(1000, 0, "GOOD"), seg(77777, SYN, "EVIL"), seg(1004, 0, "DATA")},
		want:   "GOODDATA",
		stats:  Stats{Packets: 3, Bytes: 12, Delivered: 8, OutOfWindow: 1},
	},
	{
		name: "keep-alives",
		events: []event{
			seg(999, SYN, ""), seg(1000, 0, "GOOD"), seg(1003, ACK, ""), seg(1003, ACK, "\x00"), seg(1003, ACK, "D"), seg(1004, 0, "DATA"),
		},
		want:  "GOODDATA",
		stats: Stats{Packets: 4, Bytes: 10, Delivered: 8, KeepAlives: 3},
	},
	{
		name:   "keep-alive before any data",
		events: []event{seg(999, SYN, ""), seg(999, ACK, "\x00"), seg(1000, 0, "GOOD")},
		want:   "GOOD",
		stats:  Stats{Packets: 2, Bytes: 5, Delivered: 4, KeepAlives: 1},
	},
	{
		name:   "keep-alive after the FIN",
		events: []event{seg(999, SYN, ""), seg(1000, FIN, "GOOD"), seg(1004, ACK, "\x00"), seg(1005, ACK, ""), seg(1004, ACK, ""), finish},
		want:   "GOOD",
		stats:  Stats{Packets: 2, Bytes: 5, Delivered: 4, KeepAlives: 1},
	},
	{
		name:   "window probe, then the whole",
		events: []event{seg(999, SYN, ""), seg(1000, 0, "GOOD"), seg(1004, 0, "D"), seg(1004, 0, "DATA")},
		want:   "GOODDATA",
		stats:  Stats{Packets: 3, Bytes: 9, Delivered: 8, Retransmitted: 1},
	},
	{
		name:   "RST",
		events: []event{seg(999, SYN, ""), seg(1000, 0, "GOOD"), seg(1004, RST, ""), finish},
		want:   "GOOD",
		stats:  Stats{Packets: 1, Bytes: 4, Delivered: 4},
	},
	{
		name:   "RST with data, data after it",
		events: []event{seg(999, SYN, ""), seg(1000, 0, "GOOD"), seg(1004, RST|ACK, "no such thing"), seg(1004, 0, "DATA")},
		want:   "GOODDATA",
		stats:  Stats{Packets: 3, Bytes: 21, Delivered: 8, Reset: 13},
	},
	{
		name:   "RST first, nowhere near",
		events: []event{seg(77777, RST, ""), seg(1000, 0, "GOOD")},
		want:   "GOOD",
	},
	{
		name:   "FIN with data, then a retransmission of both",
		events: []event{seg(999, SYN, ""), seg(1000, FIN, "GOOD"), seg(1000, FIN, "GOOD"), ack(1005), finish},
		want:   "GOOD",
		stats:  Stats{Packets: 2, Bytes: 8, Delivered: 4, Retransmitted: 4},
	},
	{
		name:   "FIN before data",
		events: []event{seg(999, SYN, ""), seg(1008, FIN, ""), seg(1004, 0, "DATA"), seg(1000, 0, "GOOD"), finish},
		want:   "GOODDATA",
		stats:  Stats{Packets: 2, Bytes: 8, Delivered: 8, OutOfOrder: 1},
	},
	{
		name:   "FIN beyond what was captured",
		events: []event{seg(999, SYN, ""), seg(1000, 0, "GOOD"), seg(1008, FIN, ""), finish},
		want:   "GOOD[4 end]",
		stats:  Stats{Packets: 1, Bytes: 4, Delivered: 4, Missing: 4},
	},
	{
		name:   "data beyond the FIN",
		events: []event{seg(999, SYN, ""), seg(1000, FIN, "GOOD"), seg(1004, 0, "EVIL"), seg(1002, 0, "ODEVIL"), finish},
		want:   "GOOD",
		stats:  Stats{Packets: 3, Bytes: 14, Delivered: 4, Retransmitted: 2, BeyondFIN: 8},
	},
	{
		name:   "FIN before bytes that were seen",
		events: []event{seg(999, SYN, ""), seg(1000, 0, "GOOD"), seg(1002, FIN, ""), seg(1004, 0, "DATA")},
		want:   "GOODDATA",
		stats:  Stats{Packets: 2, Bytes: 8, Delivered: 8, OutOfWindow: 1},
	},
	{
		name:   "FIN before bytes that wait",
		events: []event{seg(999, SYN, ""), seg(1004, 0, "DATA"), seg(1002, FIN, ""), seg(1000, 0, "GOOD")},
		want:   "GOODDATA",
		stats:  Stats{Packets: 2, Bytes: 8, Delivered: 8, OutOfOrder: 1, OutOfWindow: 1},
	},
	{
		name:   "FIN far ahead",
		events: []event{seg(999, SYN, ""), seg(1000, 0, "GOOD"), seg(1000+100<<20, FIN, ""), finish},
		want:   "GOOD",
		stats:  Stats{Packets: 1, Bytes: 4, Delivered: 4, OutOfWindow: 1},
	},
	{
		name:   "segment without data, far ahead",
		events: []event{seg(999, SYN, ""), seg(1000, 0, "GOOD"), seg(1000+100<<20, ACK, ""), finish},
		want:   "GOOD",
		stats:  Stats{Packets: 1, Bytes: 4, Delivered: 4, OutOfWindow: 1},
	},
	{
		name:   "urgent byte",
		events: []event{seg(999, SYN, ""), urg(1000, "abcd", 2), seg(1004, 0, "efgh")},
		want:   "a{b}cdefgh",
		stats:  Stats{Packets: 2, Bytes: 8, Delivered: 7, Urgent: 1},
	},
	{
		name:   "urgent byte left inline",
		config: &Config{InlineUrgent: true},
		events: []event{seg(999, SYN, ""), urg(1000, "abcd", 2), seg(1004, 0, "efgh")},
		want:   "abcdefgh",
		stats:  Stats{Packets: 2, Bytes: 8, Delivered: 8},
	},
	{
		name:   "urgent bytes at the ends, pointer of zero",
		events: []event{seg(999, SYN, ""), urg(1000, "abcd", 4), urg(1004, "efgh", 0), urg(1008, "i", 1), seg(1009, 0, "jkl")},
		want:   "abc{d}{e}fgh{i}jkl",
		stats:  Stats{Packets: 4, Bytes: 12, Delivered: 9, Urgent: 3},
	},
	{
		name:   "urgent byte announced, and out of order",
		events: []event{seg(999, SYN, ""), urg(1004, "efgh", 6), urg(1000, "abcd", 10), seg(1008, 0, "ijkl"), seg(1000, URG, "abcd")},
		want:   "abcdefgh" + "i{j}kl",
		stats:  Stats{Packets: 4, Bytes: 16, Delivered: 11, Urgent: 1, OutOfOrder: 1, Retransmitted: 4},
	},
	{
		name:   "urgent byte lost",
		events: []event{seg(999, SYN, ""), urg(1000, "ab", 3), seg(1004, 0, "efgh"), finish},
		want:   "ab[2 end]efgh",
		stats:  Stats{Packets: 2, Bytes: 6, Delivered: 6, Missing: 2},
	},
	{
		name:   "far away",
		events: []event{seg(999, SYN, ""), seg(1000, 0, "GOOD"), seg(1004+1<<31, 0, "EVIL"), seg(1004+1<<30+9, 0, "EVIL"), seg(1004, 0, "DATA"), finish},
		want:   "GOODDATA",
		stats:  Stats{Packets: 4, Bytes: 16, Delivered: 8, OutOfWindow: 2},
	},
	{
		name:   "a single segment far ahead",
		events: []event{seg(999, SYN, ""), seg(1000, 0, "GOOD"), seg(1000+100<<20, 0, "EVIL"), seg(1004, 0, "DATA"), finish},
		want:   "GOODDATA",
		stats:  Stats{Packets: 3, Bytes: 12, Delivered: 8, OutOfOrder: 1, OutOfWindow: 1},
	},
	{
		name:   "a jump that two segments bear out",
		events: []event{seg(999, SYN, ""), seg(1000, 0, "GOOD"), seg(1000+100<<20, 0, "MORE"), seg(1004+100<<20, 0, "DATA"), finish},
		want:   "GOOD[104857596 end]MOREDATA",
	},
	{
		name:   "a jump that the peer acknowledges",
		events: []event{seg(999, SYN, ""), seg(1000, 0, "GOOD"), seg(1000+100<<20, 0, "MORE"), ack(1004 + 100<<20), finish},
		want:   "GOOD[104857596 acked]MORE",
	},
	{
		name:   "an acknowledgement far ahead",
		events: []event{seg(999, SYN, ""), seg(1000, 0, "GOOD"), ack(1000 + 100<<20), seg(1004, 0, "DATA"), finish},
		want:   "GOODDATA",
		stats:  Stats{Packets: 2, Bytes: 8, Delivered: 8, OutOfWindow: 1},
	},
	{
		name:   "acknowledged, not captured, then more",
		events: []event{seg(999, SYN, ""), seg(1000, 0, "VERY"), ack(1008), seg(1008, 0, "DATA"), acks(1012, 64)},
		want:   "VERY[4 acked]DATA",
		stats:  Stats{Packets: 2, Bytes: 8, Delivered: 8, Missing: 4},
	},
	{
		name:   "acknowledged, not captured, at the end",
		events: []event{seg(999, SYN, ""), seg(1000, 0, "VERY"), ack(1008), finish},
		want:   "VERY[4 acked]",
		stats:  Stats{Packets: 1, Bytes: 4, Delivered: 4, Missing: 4},
	},
	{
		name:   "the FIN was not captured",
		events: []event{seg(999, SYN, ""), seg(1000, 0, "GOOD"), ack(1005), seg(1005, ACK, ""), finish},
		want:   "GOOD",
		stats:  Stats{Packets: 1, Bytes: 4, Delivered: 4},
	},
	{
		name:   "only acknowledgements",
		events: []event{ack(1000), ack(1004), ack(1010), finish},
		want:   "[10 acked]",
		stats:  Stats{Missing: 10},
	},
	{
		name:   "acknowledgements before the first segment",
		events: []event{ack(1000), seg(1000, 0, "GOOD"), ack(1004), seg(1004, 0, "DATA"), finish},
		want:   "GOODDATA",
	},
	{
		name:   "an acknowledgement ahead of the capture",
		events: []event{seg(999, SYN, ""), ack(1008), seg(1000, 0, "GOOD"), seg(1004, 0, "DATA"), ack(1008), finish},
		want:   "GOODDATA",
	},
	{
		name:   "acknowledged, but the capture had it later",
		events: []event{seg(999, SYN, ""), seg(1004, 0, "DATA"), acks(1008, 60), seg(1000, 0, "GOOD"), finish},
		want:   "GOODDATA",
	},
	{
		name:   "grace of segments is over",
		events: []event{seg(999, SYN, ""), seg(1004, 0, "DATA"), ack(1008), acks(1008, 64), seg(1000, 0, "LATE"), seg(1008, 0, "!")},
		want:   "[4 acked]DATA!",
		stats:  Stats{Packets: 3, Bytes: 9, Delivered: 5, Missing: 4, Late: 4},
	},
	{
		name: "each hole has its grace",
		events: []event{
			seg(999, SYN, ""), seg(1004, 0, "DATA"), acks(1008, 60), seg(1012, 0, "MORE"), acks(1016, 30),
			seg(1008, 0, "GOOD"), finish,
		},
		want: "[4 acked]DATAGOODMORE",
	},
	{
		name: "acknowledgements that go on do not prolong the grace",
		events: []event{seg(999, SYN, ""), seg(1004, 0, "DATA"), func(r *rig) {
			for i := range uint32(40) {
				r.seg(1008+i, 0, "+")
				r.ack(1009 + i)
			}
		}, seg(1000, 0, "LATE")},
		want: "[4 acked]DATA++++++++++++++++++++++++++++++++++++++++",
	},
	{
		name:   "grace of time alone is not over",
		events: []event{seg(999, SYN, ""), seg(1004, 0, "DATA"), ack(1008), wait(time.Second), acks(1008, 30), seg(1000, 0, "GOOD")},
		want:   "GOODDATA",
	},
	{
		name:   "grace of time is over",
		events: []event{seg(999, SYN, ""), seg(1004, 0, "DATA"), ack(1008), wait(time.Second), acks(1008, 32), seg(1000, 0, "LATE")},
		want:   "[4 acked]DATA",
	},
	{
		name:   "grace as configured",
		config: &Config{Grace: time.Hour, GraceSegments: 2},
		events: []event{seg(999, SYN, ""), seg(1004, 0, "DATA"), ack(1008), acks(1008, 2), seg(1000, 0, "LATE")},
		want:   "[4 acked]DATA",
	},
	{
		name:   "not acknowledged, not given up",
		events: []event{seg(999, SYN, ""), seg(1004, 0, "DATA"), acks(1000, 500), seg(1000, 0, "GOOD")},
		want:   "GOODDATA",
	},
	{
		name:   "acknowledged half",
		events: []event{seg(999, SYN, ""), seg(1004, 0, "DATA"), acks(1002, 500), seg(1000, 0, "GOOD")},
		want:   "GOODDATA",
	},
	{
		name:   "too old",
		events: []event{seg(999, SYN, ""), seg(1004, 0, "DATA"), wait(61 * time.Second), seg(1008, 0, "!"), seg(1000, 0, "LATE")},
		want:   "[4 time]DATA!",
		stats:  Stats{Packets: 3, Bytes: 9, Delivered: 5, Missing: 4, Late: 4},
	},
	{
		name:   "too old, with no further packet",
		events: []event{seg(999, SYN, ""), seg(1004, 0, "DATA"), expire, wait(61 * time.Second), expire, seg(1008, 0, "!")},
		want:   "[4 time]DATA!",
	},
	{
		name:   "two holes, each too old in its turn",
		config: &Config{Patience: time.Second},
		events: []event{seg(999, SYN, ""), seg(1002, 0, "A"), wait(800 * time.Millisecond), seg(1005, 0, "B"), wait(300 * time.Millisecond), expire, seg(1003, 0, "a!"), expire},
		want:   "[2 time]Aa!B",
	},
	{
		name:   "pieces over the limit",
		config: &Config{Limits: Limits{Pieces: 2}},
		events: []event{seg(999, SYN, ""), seg(1001, 0, "A"), seg(1003, 0, "B"), seg(1005, 0, "C"), seg(1007, 0, "D"), finish},
		want:   "[1 limit]A[1 limit]B[1 end]C[1 end]D",
		stats:  Stats{Packets: 4, Bytes: 4, Delivered: 4, Missing: 4},
	},
	{
		name:   "no room for anything",
		config: &Config{Limits: Limits{Bytes: 1}},
		events: []event{seg(999, SYN, ""), seg(1004, 0, "DATA"), seg(1000, 0, "LATE"), seg(1008, 0, "!")},
		want:   "[4 limit]DATA!",
		stats:  Stats{Packets: 3, Bytes: 9, Delivered: 5, Missing: 4, Late: 4},
	},
	{
		name:   "no room, and a jump that two segments bear out",
		config: &Config{Limits: Limits{Bytes: 1}},
		events: []event{seg(999, SYN, ""), seg(1000, 0, "GOOD"), seg(1000+100<<20, 0, "LOST"), seg(1004+100<<20, 0, "DATA")},
		want:   "GOOD[104857600 limit]DATA",
	},
	{
		name:   "cut",
		events: []event{seg(999, SYN, ""), snap(1000, "GOOD", 10), snap(1010, "DA", 4), seg(1014, 0, "!"), finish},
		want:   "GOOD[6 cut]DA[2 cut]!",
		stats:  Stats{Packets: 3, Bytes: 15, Delivered: 7, Missing: 8},
	},
	{
		name:   "cut to nothing",
		events: []event{seg(999, SYN, ""), snap(1000, "", 10), snap(1010, "", 4), finish},
		want:   "[10 cut][4 cut]",
	},
	{
		name:   "cut, out of order",
		events: []event{seg(999, SYN, ""), snap(1010, "DA", 4), snap(1014, "", 6), snap(1000, "GOOD", 10), seg(1020, 0, "!"), finish},
		want:   "GOOD[6 cut]DA[2 cut][6 cut]!",
		stats:  Stats{Packets: 4, Bytes: 21, Delivered: 7, Missing: 14, OutOfOrder: 1},
	},
	{
		name:   "cut, brought by another packet in time",
		events: []event{seg(999, SYN, ""), snap(1004, "DA", 8), seg(1008, 0, "TA"), snap(1000, "GO", 8), finish},
		want:   "GO[2 cut]DA[2 cut]TA[2 cut]",
	},
	{
		name:   "cut, brought by another packet too late",
		events: []event{seg(999, SYN, ""), snap(1000, "GO", 4), seg(1000, 0, "GOOD"), seg(1004, 0, "!")},
		want:   "GO[2 cut]!",
		stats:  Stats{Packets: 3, Bytes: 9, Delivered: 3, Missing: 2, Retransmitted: 2, Late: 2},
	},
	{
		name:   "cut twice, in different places",
		events: []event{seg(999, SYN, ""), snap(1004, "DA", 20), snap(1004, "D", 3), snap(1010, "TA", 4), seg(1000, 0, "GOOD"), finish},
		want:   "GOODDA[4 cut]TA[12 cut]",
	},
	{
		name:   "a length that no packet has",
		events: []event{seg(999, SYN, ""), snap(1000, "GOOD", 1<<30), seg(1004, 0, "DATA"), finish},
		want:   "GOODDATA",
		stats:  Stats{Packets: 2, Bytes: 4 + 1<<30, Delivered: 8, OutOfWindow: 1},
	},
}

func TestTCP(t *testing.T) {
	for _, tt := range tcpTests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, tt.config)
			for _, e := range tt.events {
				e(r)
			}
			r.check(tt.want, tt.stats)
		})
	}
}

// TestPiece looks at what pieces say beside their bytes.
func TestPiece(t *testing.T) {
	r := newRig(t, nil)
	r.seg(99, SYN, "")                  // packet 1
	r.seg(100, 0, "abcd")               // 2
	r.seg(108, 0, "ijkl")               // 3
	r.seg(102, 0, "cdef")               // 4: two bytes are new
	r.seg(112, 0, "mnop")               // 5
	r.ack(116)                          // 6
	r.seg(104, 0, "EFgh")               // 7: two differ, two are new
	r.seg(109, 0, "Jk")                 // 8
	r.give(Segment{Seq: 116, Wire: 10}) // 9
	r.ack(130)                          // 10
	r.finish()
	if !r.history.fixed && len(r.history.buf) != 512 {
		t.Errorf("history of %d bytes", len(r.history.buf))
	}
	want := []Piece{
		{Kind: Data, Off: 0, Len: 4, Start: true, Data: []byte("abcd")},
		{Kind: Data, Off: 4, Len: 2, Data: []byte("ef")},
		{Kind: Data, Off: 6, Len: 2, Data: []byte("gh")},
		{Kind: Data, Off: 8, Len: 4, Start: true, Data: []byte("ijkl")},
		{Kind: Data, Off: 12, Len: 4, Start: true, Data: []byte("mnop")},
		{Kind: Gap, Why: Cut, Off: 16, Len: 10},
		{Kind: Gap, Why: Acknowledged, Off: 26, Len: 4},
	}
	packets := []int64{2, 4, 7, 3, 5, 9, 10}
	if len(r.pieces) != len(want) {
		t.Fatalf("%d pieces: %+v", len(r.pieces), r.pieces)
	}
	for i, p := range r.pieces {
		w := want[i]
		if p.Kind != w.Kind || p.Why != w.Why || p.Off != w.Off || p.Len != w.Len || p.Start != w.Start || string(p.Data) != string(w.Data) || p.Origin.Packet != packets[i] || p.Origin.Time == 0 {
			t.Errorf("piece %d: %+v, want %+v of packet %d", i, p, w, packets[i])
		}
	}
	for i, w := range []Piece{{Off: 4, Len: 2, Earlier: 4}, {Off: 9, Len: 1, Earlier: 3}} {
		if c := r.conflicts[i]; c.Off != w.Off || c.Len != w.Len || c.Earlier != w.Earlier || c.Origin.Packet != []int64{7, 8}[i] {
			t.Errorf("conflict %+v, want %+v", c, w)
		}
	}
}

// TestConflictSpans: a Conflict over several packets names the first.
func TestConflictSpans(t *testing.T) {
	r := newRig(t, nil)
	r.seg(99, SYN, "")
	r.seg(110, 0, "abcd")
	r.seg(114, 0, "efgh")
	r.seg(109, 0, "_XbcdeXgh")
	r.seg(100, 0, "012345678")
	r.seg(112, 0, "XdeX")
	r.check("<10+6>012345678_abcdefgh<12+4>", Stats{})
	for i, earlier := range []int64{2, 2} {
		if c := r.conflicts[i]; c.Earlier != earlier {
			t.Errorf("%+v, want packet %d", c, earlier)
		}
	}
}

func TestUrgentPieces(t *testing.T) {
	r := newRig(t, nil)
	r.give(Segment{Seq: 100, Flags: URG, Payload: []byte("abcd"), Urgent: 1})
	r.give(Segment{Seq: 104, Flags: URG, Payload: []byte("efgh"), Urgent: 2})
	for i, want := range []struct {
		kind  Kind
		data  string
		start bool
	}{{Urgent, "a", true}, {Data, "bcd", false}, {Data, "e", true}, {Urgent, "f", false}, {Data, "gh", false}} {
		if p := r.pieces[i]; p.Kind != want.kind || string(p.Data) != want.data || p.Start != want.start {
			t.Errorf("piece %d: %+v, want %+v", i, p, want)
		}
	}
	for range 2 * maxUrgent {
		r.give(Segment{Seq: 200, Flags: URG, Payload: []byte("x"), Urgent: uint16(r.packet) * 7})
	}
	if n := len(r.urgent.offs); n != maxUrgent {
		t.Errorf("%d urgent bytes kept in mind", n)
	}
}

// TestHistoryEarlier: the packet that brought the bytes first is known until
// the marks are overwritten, the bytes until the ring is.
func TestHistoryEarlier(t *testing.T) {
	r := newRig(t, &Config{Limits: Limits{History: 512}})
	for i := range 300 {
		r.seg(uint32(i*3), 0, "abc") // packet i+1
	}
	for _, tt := range []struct{ off, conflict, earlier int64 }{
		{897, 1, 300}, {879, 1, 294}, {876, 1, 0}, {387, 1, 0}, {384, 0, 0},
	} {
		n := len(r.conflicts)
		r.seg(uint32(tt.off), 0, "aXc")
		if len(r.conflicts)-n != int(tt.conflict) || tt.conflict > 0 && (r.conflicts[n].Earlier != tt.earlier || r.conflicts[n].Off != tt.off+1) {
			t.Errorf("offset %d: %+v", tt.off, r.conflicts[n:])
		}
	}
	if r.history.chunk.class != 0 {
		t.Errorf("history of class %d", r.history.chunk.class)
	}
}

func TestTCPState(t *testing.T) {
	var c TCP
	if _, ok := c.ISN(); ok || c.Midstream() || c.Ended() || c.RST() || c.NewISN(5) {
		t.Error("zero TCP knows something")
	}
	r := newRig(t, nil)
	r.ack(1000)
	r.seg(1000, ACK, "")
	if r.Midstream() || r.NewISN(4000) {
		t.Error("a segment without data is no stream")
	}
	r.seg(1000, ACK, "GOOD")
	if !r.Midstream() || !r.NewISN(4000) || !r.NewISN(1<<32-leap) || !r.NewISN(1000) || r.NewISN(999) || r.NewISN(990) {
		t.Error("mid-stream")
	}
	r.seg(998, SYN, "")
	if isn, ok := r.ISN(); !ok || isn != 998 || r.Midstream() || r.NewISN(998) || !r.NewISN(999) {
		t.Error("SYN", isn, ok)
	}
	r.seg(1008, FIN, "")
	if off, ok := r.FIN(); !ok || off != 8 || r.Ended() {
		t.Error("FIN", off, ok, r.Ended())
	}
	s := Segment{Seq: 1004, Payload: []byte("DATA"), Wire: 4, Origin: r.origin()}
	r.Segment(&s)
	if r.Ended() {
		t.Error("ended before the data came out")
	}
	r.drain(r.Next)
	if !r.Ended() || r.RST() || r.Unwrap(1009) != 9 || r.Offset() != 8 {
		t.Error("end", r.Ended(), r.RST(), r.Unwrap(1009), r.Offset())
	}
	r.seg(1009, RST, "")
	if !r.RST() {
		t.Error("RST")
	}
}

// TestWrap sends more than 2^32 bytes, with holes and without.
func TestWrap(t *testing.T) {
	r := newRig(t, &Config{Limits: Limits{History: -1}})
	payload := make([]byte, 1<<20)
	n := uint32(len(payload))
	seq := uint32(1<<32 - 5)
	r.seg(seq-1, SYN, "")
	var p Piece
	var data, gaps, off int64
	for i := range int64(9000) {
		s := Segment{Seq: seq, Payload: payload, Wire: int(n), Origin: r.origin()}
		seq += n
		switch {
		case i%100 == 50:
			gaps++
			continue // lost
		default:
			r.Segment(&s)
		}
		for r.TCP.Next(&p) {
			if p.Off != off {
				t.Fatalf("segment %d: piece at %d, want %d", i, p.Off, off)
			}
			off += p.Len
			if p.Kind == Data {
				data += p.Len
			}
		}
		r.Acked(seq, r.origin())
	}
	r.finish2(&off, &data)
	if data != (9000-gaps)*int64(n) || off != 9000*int64(n) {
		t.Errorf("%d bytes of %d, want %d", data, off, (9000-gaps)*int64(n))
	}
}

func (r *rig) finish2(off, data *int64) {
	var p Piece
	r.Finish()
	for r.TCP.Next(&p) {
		*off += p.Len
		if p.Kind == Data {
			*data += p.Len
		}
	}
}

// TestOneDirection acknowledges gigabytes that nobody captured.
func TestOneDirection(t *testing.T) {
	for _, step := range []uint32{1 << 20, leap} {
		r := newRig(t, &Config{GraceSegments: 1000})
		for i := range uint32(6000) {
			r.ack(i * step)
		}
		r.seg(5999*step, ACK, "at last")
		if !r.Midstream() {
			t.Error("not mid-stream")
		}
		r.finish()
		if s := r.Stats(); s.Missing != 5999*int64(step) || s.Delivered != 7 || s.OutOfWindow > 0 {
			t.Errorf("%+v", s)
		}
	}
}
