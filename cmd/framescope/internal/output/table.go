package output

import (
	"cmp"
	"container/heap"
	"slices"

	"framescope/decode/finding"
	"framescope/decode/record"
)

// A table prints connections one after the other, in the order of their
// numbers, which is that in which they began. What comes of a later one is held
// back until the earlier ones are over, or until that is too much to hold.
type table struct {
	w     sink
	o     *Options
	paint painter
	wide  bool
	// asked says that the types were chosen: then every connection of which
	// there is something to show gets a heading.
	asked bool
	// list says that connections are wanted and nothing of what was in them: each
	// gets one line.
	list bool

	groups map[int64]*group
	queue  queue    // groups with something to show, smallest number first
	first  *group   // the one that is being printed as it comes, nil when there is none
	last   int64    // the connection printed last
	dirty  []*group // Live: what has something new since the last flush
	blank  bool     // something was printed, so that the next heading needs space
	file   string   // that the last heading was in
	held   int      // bytes that all groups hold
	pool   pool
	// cut are the connections that were forgotten here while they went on.
	cut map[int64]struct{}

	loose  group // findings that belong to no connection
	others others
	shown  bool // there was WebSocket
	// missing and undecoded count the bytes of all connections.
	missing, undecoded int64
}

const (
	// maxFindings is how many kinds of findings are kept of a connection.
	maxFindings = 32
	// delay is how much text the first connection collects before it is printed
	// without knowing how it ends.
	delay = 32 << 10
	// groupSize is what a group costs besides its text.
	groupSize = 512
	// maxEarly is how much is kept of a connection that has nothing to show yet.
	maxEarly = 4 << 10
)

func newTable(w sink, o *Options, wide, asked bool) *table {
	inside := sessionTypes | record.Of(record.TypeFinding, record.TypeHTTP)
	return &table{
		list: asked && o.Types.Has(record.TypeConn) && o.Types&inside == 0,
		w:    w, o: o, paint: painter(o.Color), wide: wide, asked: asked,
		groups: map[int64]*group{}, cut: map[int64]struct{}{},
	}
}

// write takes an item.
func (t *table) write(it Item) {
	p := parts{it.Data}
	kind := p.tag()
	switch kind {
	case 0:
		return
	case tagPacket:
		t.interrupt(0)
		t.w.bytes(p.b)
		return
	case tagSummary:
		t.summary(&p)
		return
	}
	peers, file, packet := p.text(), p.text(), p.int()
	selected := true
	if kind == tagHandshake || kind == tagClose || kind == tagEnd {
		selected = p.tag() == 0
	}
	if t.list {
		if kind == tagEnd && selected {
			t.line(it.Conn, peers, readEnding(&p))
		}
		return
	}
	switch {
	case kind == tagEnd:
		t.over(it.Conn, peers, file, readEnding(&p), selected)
	case it.Conn != 0:
		g := t.group(it.Conn, peers, file)
		t.take(g, kind, &p, packet, selected)
		if g.visible {
			t.changed(g)
		}
	case kind == tagFinding:
		t.finding(&t.loose, &p, packet)
	}
	if t.held > t.o.MaxHeld {
		t.relieve()
	}
}

// over takes the end of a connection.
func (t *table) over(id int64, peers, file []byte, e *ending, selected bool) {
	t.missing += e.missing
	t.undecoded += e.undecoded + e.lost
	g := t.groups[id]
	if g == nil && (!selected || !t.asked && e.protocol != "websocket") {
		t.others.add(id, peers, e, selected)
		return
	}
	g = t.group(id, peers, file)
	g.end, g.ended = e, true
	if selected && (t.asked && t.o.Types.Has(record.TypeConn) || !t.asked && e.protocol == "websocket") {
		t.show(g)
	}
	g.sawWS = g.sawWS || e.protocol == "websocket"
	if !g.visible {
		t.others.add(id, peers, e, selected)
		t.drop(g)
		return
	}
	t.changed(g)
}

// changed sees to it that what is new of a group is printed when its time has
// come.
func (t *table) changed(g *group) {
	if !t.o.Live {
		t.advance()
	} else if !g.dirty {
		g.dirty = true
		t.dirty = append(t.dirty, g)
	}
}

// flush prints what is new of every connection, for somebody who watches.
func (t *table) flush() {
	for _, g := range t.dirty {
		g.dirty = false
		switch {
		case g.done:
		case g.ended:
			t.finish(g)
		default:
			if !g.buf.empty() || g.untold() {
				t.part(g)
				t.w.bytes(t.findingsOf(g))
			}
		}
	}
	clear(t.dirty)
	t.dirty = t.dirty[:0]
}

// take puts an item into its group.
func (t *table) take(g *group, kind tag, p *parts, packet int64, selected bool) {
	switch kind {
	case tagRow:
		rtt, subflow, size := p.int(), p.int(), p.int()
		g.bytes += size
		if rtt >= 0 {
			g.pings++
			g.pingNS += rtt
			g.pingMax = max(g.pingMax, rtt)
		}
		if subflow == messageRow {
			g.messages++
		} else {
			g.frames++
		}
		if subflow == declaredRow {
			g.declared = true
		} else {
			g.sawWS = true
		}
		t.show(g)
		g.subflows = g.subflows || subflow > 0
		t.addRow(g, packet, p.b)
	case tagHandshake:
		ok := record.Tri(p.int())
		url := string(p.text())
		if g.url == "" || ok == record.Yes {
			g.url = url
		}
		if g.handshake != record.Yes {
			g.handshake = ok
		}
		g.sawWS = true
		if len(p.b) > 0 {
			if selected {
				t.show(g)
			}
			g.listed = false
			t.hold(g, p.b)
		}
	case tagHTTP:
		if t.asked && t.o.Types.Has(record.TypeHTTP) {
			t.show(g)
		}
		if !g.visible && g.size > groupSize+maxEarly {
			return
		}
		g.listed = false
		t.hold(g, p.b)
	case tagFinding:
		// What the capture lacks is no reason to show a connection that is not
		// shown for anything else.
		info := t.finding(g, p, packet).Info()
		if t.asked || info.Severity > finding.Note && info.Layer != finding.LayerCapture {
			t.show(g)
		}
		if len(p.b) > 0 && (g.visible || g.size < groupSize+maxEarly) {
			t.addRow(g, packet, p.b)
		}
	case tagClose:
		by, code, malformed, reason := record.Direction(p.int()), p.int(), p.int(), p.text()
		// The first close frame says who ended it; 1006 says that none came.
		if !g.closed {
			g.closed, g.closedBy, g.code, g.malformed, g.reason = true, by, code, malformed != 0, string(reason)
		}
		g.sawWS = true
		if selected && t.o.Types&sessionTypes != 0 {
			t.show(g)
		}
		if len(p.b) > 0 {
			t.addRow(g, packet, p.b)
		}
	}
}

// addRow adds a row of the list, under its column headings.
func (t *table) addRow(g *group, packet int64, text []byte) {
	if !g.listed {
		t.hold(g, append(t.paint.append(nil, dim, heads(t.wide, g.subflows, g.declared)), '\n'))
		g.listed, g.inBuf = true, !t.streaming(g)
	}
	t.holdRow(g, packet, text)
}

// hold adds text to a group; if it is the one being printed, the text goes out.
func (t *table) hold(g *group, text []byte) { t.holdRow(g, 0, text) }

// holdRow is hold for a row of the list that a packet brought: where rows wait,
// they are put into the order of their packets.
func (t *table) holdRow(g *group, packet int64, text []byte) {
	if t.streaming(g) {
		t.w.bytes(text)
		return
	}
	t.grow(g, g.buf.add(&t.pool, text, packet))
}

// streaming reports whether nothing needs to be printed before the text of g.
func (t *table) streaming(g *group) bool { return g == t.first && t.last == g.id && g.buf.empty() }

// finding reads a finding into a group.
func (t *table) finding(g *group, p *parts, packet int64) finding.ID {
	id, count := finding.ID(p.int()), p.int()
	i := slices.IndexFunc(g.findings, func(f found) bool { return f.id == id })
	if i < 0 {
		if len(g.findings) == maxFindings {
			g.more++
			return id
		}
		i = len(g.findings)
		g.findings = append(g.findings, found{id: id, packet: packet})
		t.grow(g, 64)
	}
	f := &g.findings[i]
	f.count += count
	for range p.int() {
		text := p.text()
		if len(f.evidence) < maxEvidence {
			f.evidence = append(f.evidence, string(text))
			t.grow(g, len(text))
		}
	}
	return id
}

// group returns the group of a connection, a new one if there is none.
func (t *table) group(id int64, peers, file []byte) *group {
	g := t.groups[id]
	if g == nil {
		g = &group{id: id, peers: string(peers), file: string(file)}
		if _, ok := t.cut[id]; ok {
			delete(t.cut, id)
			g.started = true
		}
		t.groups[id] = g
		t.grow(g, groupSize)
	}
	return g
}

func (t *table) grow(g *group, n int) {
	if g != &t.loose {
		g.size += n
		t.held += n
	}
}

// show gives a group its place in the queue.
func (t *table) show(g *group) {
	if !g.visible {
		g.visible = true
		heap.Push(&t.queue, g)
	}
}

// drop forgets a group.
func (t *table) drop(g *group) {
	t.held -= g.size
	g.size, g.buf, g.done = 0, text{}, true
	delete(t.groups, g.id)
	if t.first == g {
		t.first = nil
	}
}

// advance prints what may be printed now: connections that are over, up to the
// first that is not; and of that what there is, if it need not wait.
func (t *table) advance() {
	for {
		g := t.first
		if g == nil {
			if len(t.queue) == 0 {
				return
			}
			if g = t.queue[0]; g.done {
				heap.Pop(&t.queue)
				continue
			}
		}
		if g.ended {
			t.finish(g)
			continue
		}
		if !g.buf.empty() && (g.started || g.size > delay) {
			t.first = g
			t.part(g)
		}
		return
	}
}

// relieve prints parts of connections, the largest first, until half of what
// may be held is free.
func (t *table) relieve() {
	all := make([]*group, 0, len(t.groups))
	for _, g := range t.groups {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *group) int {
		if n := b.size - a.size; n != 0 {
			return n
		}
		return cmp.Compare(a.id, b.id)
	})
	for _, g := range all {
		if t.held <= t.o.MaxHeld/2 {
			break
		}
		switch {
		case !g.visible:
			t.drop(g)
		case g.ended:
			t.finish(g)
		case !g.buf.empty():
			t.part(g)
		}
	}
	// Still too much: it is the number of connections then.
	for _, g := range all {
		if t.held <= t.o.MaxHeld/2 {
			break
		}
		if !g.done {
			t.cut[g.id] = struct{}{}
			t.finish(g)
		}
	}
}

// part prints what a group holds, under its heading if something else was
// printed in between.
func (t *table) part(g *group) {
	t.heading(g)
	t.grow(g, -g.buf.writeTo(t.w, &t.pool))
	g.inBuf = false
}

// finish prints the rest of a group and how it ended.
func (t *table) finish(g *group) {
	told := g.ended
	if g.started {
		// A heading that comes now says it, unless it is what the end is to say.
		verdict, _ := t.verdict(g)
		told = g.ended && t.last != g.id && verdict != "ok" && verdict != "open"
	}
	t.part(g)
	t.w.bytes(t.endOf(g, told))
	t.shown = t.shown || g.sawWS || g.declared
	t.drop(g)
}

// close prints all that is left.
func (t *table) close() {
	for _, g := range t.groups {
		if !g.visible {
			t.drop(g)
		}
		g.ended = true
	}
	t.flush()
	t.advance()
	t.findLoose()
}

// interrupt prepares for text of something else than the connection printed
// last.
func (t *table) interrupt(id int64) {
	if t.last != id && t.blank {
		t.w.text("\n")
	}
	t.last, t.blank = id, true
}
