package output

import (
	"slices"
	"strings"

	"framescope/decode/finding"
	"framescope/decode/record"
)

// A group is what the table knows of one connection.
type group struct {
	id    int64
	peers string
	file  string
	url   string
	buf   text // to print, without heading
	size  int  // what the group adds to table.held

	visible  bool // it has something to show
	started  bool // its heading was printed
	ended    bool // nothing more will come
	listed   bool // rows are under their column headings
	inBuf    bool // these column headings are in buf
	done     bool // printed to its end
	dirty    bool // in table.dirty
	subflows bool // rows name a subflow
	sawWS    bool // there was WebSocket
	declared bool // there were frames of a declared framing

	handshake record.Tri
	findings  []found
	more      int // findings beyond maxFindings

	closed        bool
	closedBy      record.Direction
	code          int64
	malformed     bool
	reason        string
	end           *ending
	pings, pingNS int64
	pingMax       int64
	frames        int64 // rows of them
	messages      int64
	bytes         int64 // of messages, as far as their frames are rows
}

// An ending is what the record of a finished connection says.
type ending struct {
	protocol, how                                                  string
	by                                                             record.Direction
	midstream                                                      bool
	duration, messages, undecoded, stream, missing, packets, bytes int64
	frames, lost                                                   int64  // of a declared framing
	start, client                                                  int64  // when it began; bytes from the client
	name                                                           string // that a TLS client asks for
}

type found struct {
	id       finding.ID
	packet   int64 // that the first one was found at
	count    int64 // evidence in all
	told     bool  // it was printed
	evidence []string
}

// untold reports whether there are findings that were not printed yet.
func (g *group) untold() bool {
	return slices.ContainsFunc(g.findings, func(f found) bool { return !f.told })
}

// A queue is a heap of groups by their number.
type queue []*group

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool { return q[i].id < q[j].id }

func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

func (q *queue) Push(g any) { *q = append(*q, g.(*group)) }

func (q *queue) Pop() any {
	old := *q
	g := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return g
}

func readEnding(p *parts) *ending {
	e := &ending{protocol: string(p.text()), how: string(p.text()), by: record.Direction(p.int()), midstream: p.int() != 0}
	for _, n := range []*int64{&e.duration, &e.messages, &e.undecoded, &e.stream, &e.missing, &e.packets, &e.bytes, &e.frames, &e.lost, &e.start, &e.client} {
		*n = p.int()
	}
	e.name = string(p.text())
	return e
}

// heading prints the heading of a group unless it is the one printed last.
func (t *table) heading(g *group) {
	if g.started && t.last == g.id {
		return
	}
	t.interrupt(g.id)
	if t.o.Files && g.file != t.file {
		t.file = g.file
		t.w.bytes(t.paint.append(nil, bold, cutTo(g.file, t.o.Width)))
		t.w.text("\n\n")
	}
	name := string(record.AppendID(nil, g.id))
	if g.started {
		name += " (continued)"
	}
	verdict, colour := t.verdict(g)
	if g.started || !g.ended {
		// How it ends is said at its end.
		if verdict == "open" || verdict == "ok" {
			verdict = ""
		}
	}
	room := t.o.Width
	if verdict != "" {
		room -= len(verdict) + 3
	}
	what := g.url
	if what == "" && g.end != nil && g.end.midstream {
		what = "begun before the capture"
	}
	if what == "" && g.end != nil && g.declared {
		what = g.end.protocol
	}
	if g.started {
		what = ""
	}
	// What has no room in the first line gets lines of its own.
	var more []string
	peers, used := g.peers, len(name)+2
	if used+width(peers) > room {
		if from, to, ok := strings.Cut(peers, " > "); ok {
			peers, more = from+" >", append(more, to)
		}
	}
	out := append(t.paint.append(nil, bold, name), "  "...)
	b, n := fit(nil, peers, room-used, false)
	out, used = append(out, b...), used+n
	if n := width(what); what != "" && more == nil && used+3+n <= room {
		out, used = append(append(out, "   "...), what...), used+3+n
	} else if what != "" {
		more = append(more, what)
	}
	if verdict != "" {
		out = spaces(out, t.o.Width-used-len(verdict))
		out = t.paint.append(out, colour, verdict)
	}
	out = append(out, '\n')
	for _, s := range more {
		out = append(append(spaces(out, indent), cutTo(s, t.o.Width-indent)...), '\n')
	}
	if g.started && g.listed && !g.inBuf && !t.o.Live {
		out = append(t.paint.append(out, dim, heads(t.wide, g.subflows, g.declared)), '\n')
	}
	g.started = true
	t.w.bytes(out)
}

func cutTo(s string, room int) string {
	b, _ := fit(nil, s, room, false)
	return string(b)
}
