package output

import (
	"bytes"
	"cmp"

	"framescope/decode/record"
)

// line prints a connection as one line of a list. Its columns are fixed, so that
// the list needs no memory.
func (t *table) line(id int64, peers []byte, e *ending) {
	addresses, last := 33, ""
	if t.o.Width >= 100 {
		addresses = 45
		last = "  " + string(appendCount(nil, e.packets, "packet", "packets")) + ", " + string(appendBytes(nil, e.bytes))
	}
	row := func(id, peers, protocol, end, time, last string) []byte {
		b := append(left(nil, id, 6), "  "...)
		b = append(left(b, cutPeers(peers, max(addresses, t.o.Width-33)), addresses), "  "...)
		// A long name takes of the next column what that leaves.
		both := append(append(left(nil, protocol, 9), "  "...), end...)
		b = append(left(b, string(both), 21), "  "...)
		b, _ = fit(nil, append(left(b, time, 9), last...), t.o.Width, false)
		return bytes.TrimRight(b, " ")
	}
	if t.last != lineList {
		t.interrupt(lineList)
		t.w.bytes(t.paint.append(nil, dim, string(row("conn", "from > to", "protocol", "end", "time", ""))))
		t.w.text("\n")
	}
	t.w.bytes(row(string(record.AppendID(nil, id)), string(peers), cmp.Or(e.protocol, "?"), e.how, string(appendDuration(nil, e.duration)), last))
	t.w.text("\n")
}

// lineList stands for the list of connections where the number of one that was
// printed last is kept.
const lineList = -4
