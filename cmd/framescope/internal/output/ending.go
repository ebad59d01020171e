package output

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"framescope/decode/finding"
	"framescope/decode/record"
)

// verdict is what a connection comes to, in one word, and its colour.
func (t *table) verdict(g *group) (word, colour string) {
	worst := finding.Note
	for _, f := range g.findings {
		worst = max(worst, f.id.Severity())
	}
	switch {
	case worst == finding.Error || g.handshake == record.No:
		return "error", red
	case worst == finding.Warning:
		return "warning", yellow
	case g.end != nil && g.end.how == "open" && !g.closed:
		return "open", ""
	case (g.sawWS || g.declared) && g.end != nil && t.o.Match == nil && (!t.asked || t.o.Types.Has(record.TypeFinding)):
		// Otherwise there may be findings that are not known here.
		return "ok", green
	}
	return "", ""
}

// endOf is what stands below the list: findings, then how it ended and what it
// carried. If the heading could not say the verdict, the last line does.
func (t *table) endOf(g *group, told bool) []byte {
	out := t.findingsOf(g)
	l := line{dst: spaces(out, indent), indent: indent, column: indent, room: t.o.Width}
	verdict, colour := t.verdict(g)
	if !told && verdict != "" {
		l.room -= len(verdict) + 3
	}
	if s := g.how(); s != "" {
		l.text(s)
	}
	if s := t.total(g); s != "" {
		l.text(s)
	}
	if g.pings > 0 {
		s := "ping " + string(appendDuration(nil, g.pingNS/g.pings))
		if g.pings > 1 {
			s += " (max " + string(appendDuration(nil, g.pingMax)) + ")"
		}
		l.text(s)
	}
	if e := g.end; e != nil {
		if e.missing > 0 {
			l.text(string(appendCount(nil, e.missing, "byte", "bytes")) + " missing")
		}
		if n := e.undecoded + e.lost; n > 0 {
			l.text(string(appendCount(nil, n, "byte", "bytes")) + " not decoded")
		}
	}
	if !l.started && (told || verdict == "") {
		return out
	}
	if !told && verdict != "" {
		l.dst = spaces(l.dst, t.o.Width-l.column-len(verdict))
		l.dst = t.paint.append(l.dst, colour, verdict)
	}
	return append(l.dst, '\n')
}

// how says what ended the connection, and after what time.
func (g *group) how() string {
	after := ""
	if g.end != nil && g.end.duration >= 0 {
		after = " after " + string(appendDuration(nil, g.end.duration))
	}
	by := func(d record.Direction) string {
		if d == record.None {
			return ""
		}
		return " by " + d.String()
	}
	switch {
	case g.closed && g.malformed:
		return "closed" + by(g.closedBy) + ", without a readable code," + after
	case g.closed && g.code == 1005 && !g.has(finding.CloseCodeReserved):
		return strings.TrimSuffix("closed"+by(g.closedBy)+", no code,"+after, ",")
	case g.closed && g.code != 1006:
		s := "closed" + by(g.closedBy) + ", " + strconv.FormatInt(g.code, 10)
		if g.reason != "" {
			s += ` "` + g.reason + `"`
		}
		return strings.TrimSuffix(s+","+after, ",")
	}
	if g.end == nil {
		if g.closed {
			return "ended without a close frame"
		}
		return ""
	}
	without := ""
	if g.open() {
		without = ", without a close frame,"
	}
	switch g.end.how {
	case "fin", "rst":
		s := strings.ToUpper(g.end.how)
		if g.end.by != record.None {
			s += " from " + g.end.by.String()
		}
		return s + without + after
	case "open":
		return "still open when the capture ended," + after
	case "refused":
		return "refused" + after
	case "unanswered":
		return "no answer to SYN" + after
	case "reused":
		return "its ports were used again" + after
	case "evicted":
		return "forgotten for want of memory" + after
	}
	return strings.TrimSpace(g.end.how + after)
}

// total says how much the connection carried.
func (t *table) total(g *group) string {
	if g.end == nil {
		switch {
		case g.frames > 0:
			return string(appendCount(nil, g.frames, "frame", "frames"))
		case g.messages > 0:
			return string(appendCount(nil, g.messages, "message", "messages"))
		}
		return ""
	}
	if g.declared {
		b := appendCount(nil, g.end.frames, "frame", "frames")
		if t.o.Match == nil {
			b = appendBytes(append(b, ", "...), g.bytes)
		}
		return string(b)
	}
	if !g.sawWS {
		return string(appendCount(nil, g.end.packets, "packet", "packets"))
	}
	if !g.open() {
		return ""
	}
	b := appendCount(nil, g.end.messages, "message", "messages")
	if g.bytes > 0 && t.o.Match == nil {
		b = appendBytes(append(b, ", "...), g.bytes)
	}
	return string(b)
}

// open reports whether there was a session: a handshake that went well, or
// frames.
func (g *group) open() bool {
	return g.sawWS && (g.handshake == record.Yes || g.frames > 0 || g.messages > 0 || g.end != nil && g.end.messages > 0)
}

// has reports whether a finding belongs to the connection.
func (g *group) has(id finding.ID) bool {
	return slices.ContainsFunc(g.findings, func(f found) bool { return f.id == id })
}

// findingsOf writes the findings of a group, the worst first, causes before
// effects.
func (t *table) findingsOf(g *group) (out []byte) {
	slices.SortStableFunc(g.findings, func(a, b found) int { return cmp.Compare(a.packet, b.packet) })
	for severity := int(finding.Error); severity >= 0; severity-- {
		for i := range g.findings {
			if f := &g.findings[i]; f.id.Severity() == finding.Severity(severity) && !f.told {
				f.told = true
				out = t.found(out, *f)
			}
		}
	}
	if g.more > 0 {
		out = append(spaces(out, indent), "and "...)
		out = append(appendCount(out, int64(g.more), "finding", "findings"), " of other kinds\n"...)
	}
	return out
}

var colours = [...]string{finding.Note: "", finding.Warning: yellow, finding.Error: red}

// found writes one finding: what, where, and what mends it.
func (t *table) found(out []byte, f found) []byte {
	info := f.id.Info()
	severity, name := info.Severity.String(), f.id.String()
	out = spaces(out, indent)
	out = t.paint.append(out, colours[info.Severity], severity+": "+name)
	out = append(out, "   "...)
	out = append(wrap(out, info.Title, indent+len(severity)+2+len(name)+3, labelColumn, t.o.Width), '\n')
	for _, ev := range f.evidence {
		out = append(out, ev...)
	}
	if rest := f.count - int64(len(f.evidence)); rest > 0 && len(f.evidence) > 0 {
		out = append(strconv.AppendInt(append(spaces(out, textColumn), "and "...), rest, 10), " more\n"...)
	}
	if info.Severity == finding.Note {
		return out
	}
	label := "fix"
	for fix := range strings.SplitSeq(info.Fix, "\n") {
		out = labelled(out, label, fix, t.o.Width)
		label = "or"
	}
	return out
}

// findLoose prints the findings that belong to no connection.
func (t *table) findLoose() {
	if out := t.findingsOf(&t.loose); out != nil {
		t.interrupt(-1)
		t.w.bytes(out)
		t.loose = group{}
	}
}
