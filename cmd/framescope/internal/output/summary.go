package output

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"framescope/decode/record"
)

// others are the connections that have no heading.
type others struct {
	total    int64
	protocol map[string]int64
	matched  int64   // how many of them the filter selects
	rows     []other // the first maxOthers of these
}

type other struct {
	id    int64
	peers string
	end   *ending
}

// maxOthers is how many connections the table of them lists: the library that
// draws it is made for short ones.
const maxOthers = 1000

func (s *others) add(id int64, peers []byte, e *ending, selected bool) {
	if e.protocol == "websocket" {
		return // a filter left it out
	}
	if s.protocol == nil {
		s.protocol = map[string]int64{}
	}
	s.total++
	s.protocol[e.protocol]++
	if !selected {
		return
	}
	s.matched++
	if len(s.rows) < maxOthers {
		s.rows = append(s.rows, other{id, string(peers), e})
	}
}

// counts says what the others carried: "3 tls, 2 http, 1 unknown".
func (s *others) counts() (out []byte) {
	names := make([]string, 0, len(s.protocol))
	for name := range s.protocol {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(s.protocol[b], s.protocol[a]), cmp.Compare(b, a))
	})
	for i, name := range names {
		if i > 0 {
			out = append(out, ", "...)
		}
		out = append(strconv.AppendInt(out, s.protocol[name], 10), ' ')
		out = append(out, cmp.Or(name, "of unknown protocol")...)
	}
	return out
}

// summary ends a file: everything that is held is printed, then what it comes
// to.
func (t *table) summary(p *parts) {
	t.close()
	file := string(p.text())
	var packets, size, connections, sessions, failed, frames, messages, missing, undecoded, evicted, dropped, truncated, start, end, errors, warnings, notes, declared, flows, memberships int64
	for _, n := range []*int64{
		&packets, &size, &connections, &sessions, &failed, &frames, &messages, &missing, &undecoded, &evicted, &dropped, &truncated,
		&start, &end, &errors, &warnings, &notes, &declared, &flows, &memberships,
	} {
		*n = p.int()
	}
	skipped := p.int()
	var skips []skip
	missing, undecoded = max(missing, t.missing), max(undecoded, t.undecoded)
	listed := !t.shown && sessions == 0 && failed == 0 && t.others.matched > 0
	if listed {
		t.listOthers()
	}

	t.interrupt(-2)
	l := line{indent: 2, room: t.o.Width}
	if t.o.Files {
		l.text(cmp.Or(file, "all files"))
	}
	if connections == 0 {
		l.text("no TCP connections")
	} else {
		head := appendCount(nil, connections, "connection", "connections")
		switch {
		case sessions > 0:
			head = appendCount(append(head, ": "...), sessions, "WebSocket session", "WebSocket sessions")
			if failed > 0 {
				head = appendCount(append(head, ", "...), failed, "failed handshake", "failed handshakes")
			}
		case failed > 0:
			head = appendCount(append(head, ": "...), failed, "failed handshake", "failed handshakes")
		default:
			head = append(head, ", no WebSocket"...)
		}
		l.text(string(head))
	}
	if flows > 0 {
		l.text(string(appendCount(nil, flows, "UDP flow", "UDP flows")))
	}
	if memberships > 0 {
		l.text(string(appendCount(nil, memberships, "multicast membership", "multicast memberships")))
	}
	if frames > 0 {
		b := append(appendCount(nil, frames, "frame", "frames"), ", "...)
		l.text(string(appendCount(b, messages, "message", "messages")))
	}
	if declared > 0 {
		l.text(string(appendCount(nil, declared, "frame of a declared framing", "frames of declared framings")))
	}
	b := appendBytes(append(appendCount(nil, packets, "packet", "packets"), ", "...), size)
	if packets > 0 && end >= start {
		b = appendDuration(append(b, ", "...), end-start)
	}
	l.text(string(b))
	if packets > 0 {
		l.text("from " + time.Unix(0, start).UTC().Format("2006-01-02 15:04:05") + " UTC")
	}
	for range skipped {
		skips = append(skips, skip{string(p.text()), p.int(), p.int()})
	}
	more := p.int()
	unread := readLeft(p)
	clean := missing == 0 && undecoded == 0 && evicted == 0 && dropped == 0 && truncated == 0 && skipped == 0
	unknown := slices.ContainsFunc(t.others.rows, func(o other) bool { return o.end.midstream && o.end.protocol == "" && o.end.stream > 0 })
	if clean && !unknown && (sessions > 0 || declared > 0) {
		// Of what is no session nothing was looked into.
		if t.others.total > 0 || flows > 0 || len(unread) > 0 {
			l.text("nothing of the sessions undecoded")
		} else {
			l.text("nothing undecoded")
		}
	}
	out := append(l.dst, '\n')

	say := func(colour string, text []byte) {
		b, _ := fit(nil, text, t.o.Width-2, false)
		out = append(t.paint.append(spaces(out, 2), colour, string(b)), '\n')
	}
	if missing > 0 {
		say(yellow, append(appendCount(nil, missing, "byte", "bytes"), " missing from the capture"...))
	}
	if undecoded > 0 {
		what := " of WebSocket data not decoded"
		if declared > 0 {
			what = " of sessions not decoded"
		}
		say(yellow, append(appendCount(nil, undecoded, "byte", "bytes"), what...))
	}
	if dropped > 0 {
		say(yellow, append(appendCount(nil, dropped, "packet", "packets"), " dropped while capturing: these are missing here"...))
	}
	if evicted > 0 {
		say(yellow, append(appendCount(nil, evicted, "connection", "connections"), " forgotten for want of memory"...))
	}
	if truncated != 0 {
		say(yellow, []byte("cut off: the file ends inside a packet, or cannot be read further"))
	}
	for _, k := range skips {
		var what []byte
		if k.packets > 0 {
			what = appendCount(what, k.packets, "packet", "packets")
		}
		if k.bytes > 0 {
			if k.packets > 0 {
				what = append(what, ", "...)
			}
			what = appendBytes(what, k.bytes)
		}
		say(yellow, append(append(what, " not decoded: "...), k.cause...))
	}
	if len(unread) > 0 {
		say("", append([]byte("packets not looked into: "), unread...))
	}
	if more > 0 {
		say(yellow, append(appendCount(nil, more, "more cause", "more causes"), " of packets not decoded"...))
	}
	if errors+warnings+notes > 0 {
		b := []byte("findings: ")
		for _, c := range []struct {
			n         int64
			one, many string
		}{{errors, "error", "errors"}, {warnings, "warning", "warnings"}, {notes, "note", "notes"}} {
			if c.n > 0 {
				if len(b) > len("findings: ") {
					b = append(b, ", "...)
				}
				b = appendCount(b, c.n, c.one, c.many)
			}
		}
		say("", b)
	}
	if t.others.total > 0 && !listed {
		say("", append([]byte("without WebSocket: "), t.others.counts()...))
	}
	t.w.bytes(out)
	t.others, t.shown, t.missing, t.undecoded = others{}, false, 0, 0
}

// A skip says what could not be decoded.
type skip struct {
	cause          string
	packets, bytes int64
}

// readLeft says how many packets of which protocols were not looked into: "12 arp,
// 1 lldp".
func readLeft(p *parts) (text []byte) {
	for i := range p.int() {
		name, n := p.text(), p.int()
		if i > 0 {
			text = append(text, ", "...)
		}
		text = append(append(strconv.AppendInt(text, n, 10), ' '), name...)
	}
	return text
}

// listOthers draws the table of connections where there was no WebSocket at
// all: it shows what the capture holds instead.
func (t *table) listOthers() {
	if len(t.others.rows) == 0 {
		return
	}
	t.interrupt(-3)
	slices.SortFunc(t.others.rows, func(a, b other) int { return cmp.Or(cmp.Compare(a.end.start, b.end.start), cmp.Compare(a.id, b.id)) })
	if t.wide {
		t.w.bytes(t.wideOthers())
	} else {
		t.w.bytes(t.narrowOthers())
	}
	for _, o := range t.others.rows {
		// Which of the ports is the server's shows in the first line.
		if _, to, ok := strings.Cut(o.peers, " > "); ok && o.end.midstream && o.end.protocol == "" && o.end.stream > 0 {
			port := to[strings.LastIndexByte(to, ':')+1:]
			b, _ := fit(nil, "begun before the capture, not recognised; if it is WebSocket: --decode-as ws:"+port, t.o.Width, false)
			t.w.bytes(append(b, '\n'))
			break
		}
	}
	if n := t.others.matched - int64(len(t.others.rows)); n > 0 {
		t.w.bytes(append(appendCount(nil, n, "more connection", "more connections"), '\n'))
	}
}

// narrowOthers draws the table of connections. Where a line is short, the number
// of packets gives way, then the time: addresses and ports tell connections apart.
func (t *table) narrowOthers() []byte {
	heads := []string{"", "connection", "protocol", "packets", "bytes", "time", "end"}
	rows := make([][]string, 0, len(t.others.rows))
	widest := 0
	for _, o := range t.others.rows {
		widest = max(widest, width(o.peers))
		rows = append(rows, []string{
			string(record.AppendID(nil, o.id)), o.peers, cutTo(cmp.Or(o.end.protocol, "?"), maxCell), strconv.FormatInt(o.end.packets, 10),
			string(appendBytes(nil, o.end.bytes)), string(appendDuration(nil, o.end.duration)), cutTo(o.end.how, maxCell),
		})
	}
	for _, column := range []string{"packets", "time"} {
		if t.o.Width >= 100 || column == "time" && widest <= flexRoom(heads, rows, peersColumn, t.o.Width) {
			break
		}
		i := slices.Index(heads, column)
		heads = slices.Delete(heads, i, i+1)
		for k := range rows {
			rows[k] = slices.Delete(rows[k], i, i+1)
		}
	}
	return drawn(heads, rows, peersColumn, flexRoom(heads, rows, peersColumn, t.o.Width), cutPeers)
}

// wideOthers draws it with all that is known of each connection.
func (t *table) wideOthers() []byte {
	heads := []string{"", "connection", "protocol", "start (UTC)", "time", "packets", "from client", "from server", "end", "server name"}
	rows := make([][]string, 0, len(t.others.rows))
	for _, o := range t.others.rows {
		e := o.end
		rows = append(rows, []string{
			string(record.AppendID(nil, o.id)), o.peers, cutTo(cmp.Or(e.protocol, "?"), maxCell), time.Unix(0, e.start).UTC().Format("2006-01-02 15:04:05.000"),
			string(appendDuration(nil, e.duration)), strconv.FormatInt(e.packets, 10), string(appendBytes(nil, e.client)), string(appendBytes(nil, e.bytes-e.client)),
			cutTo(e.how, maxCell), cutTo(e.name, 2*maxCell),
		})
	}
	return drawn(heads, rows, peersColumn, flexRoom(heads, rows, peersColumn, t.o.Width), cutPeers)
}

// peersColumn is the column of that table that gives way.
const peersColumn = 1
