package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"framescope/cmd/framescope/internal/output"
	"framescope/decode/filter"
	"framescope/probes/sockets"
)

// A socketEvent is a socket that was opened or closed, or has changed.
type socketEvent struct {
	Schema string `json:"schema"`
	Type   string `json:"type"`
	Time   string `json:"ts"`
	Event  string `json:"event"`
	// From is the state before.
	From string `json:"from,omitempty"`
	socketRecord
}

// A socketKey tells a socket from all others.
type socketKey struct {
	netns  string
	cookie uint64
	inode  uint32 // of those that have no cookie
}

func keyOf(r *sockets.Row) socketKey {
	if r.Cookie != 0 {
		return socketKey{r.Netns, r.Cookie, 0}
	}
	return socketKey{r.Netns, 0, r.Inode}
}

// A watched socket is what --watch keeps of one: little, since there may be many.
type watched struct {
	state  string
	record []byte // its JSON without the braces
	round  int
}

// A watch follows sockets.
type watch struct {
	f      *socketsFlags
	known  map[socketKey]*watched
	round  int
	recent []string // events in words, for a terminal
	opened int
	closed int
	live   bool
	// told are sockets whose end was told of before the kernel did: one that was
	// reset leaves the tables at once, and ends when its process closes it.
	told map[socketKey]struct{}
}

// maxTold bounds what is remembered of sockets that have left the tables.
const maxTold = 1 << 16

// runWatch shows what happens to sockets: on a terminal as a table that is drawn
// again and again, and else as lines of JSON.
func (f *socketsFlags) runWatch() error {
	if f.interval < 50*time.Millisecond {
		return fmt.Errorf("--interval %v: expected 50ms or more", f.interval)
	}
	if f.format == "csv" || f.format == "json" {
		return hinted{fmt.Errorf("--watch has no format %s", f.format), "jsonl is one object a line, as things happen"}
	}
	ctx, stop := interruptible()
	defer stop()
	if f.timeout > 0 {
		ctx, stop = context.WithTimeout(ctx, f.timeout)
		defer stop()
	}
	w := &watch{f: f, known: map[socketKey]*watched{}, told: map[socketKey]struct{}{}, live: terminal(f.std.out) && f.format != "json" && f.format != "jsonl"}
	ended := make(chan sockets.Ended, 1024)
	if err := f.subscribe(ctx, ended); err != nil {
		return err
	}
	tick := time.NewTicker(f.interval)
	defer tick.Stop()
	for {
		if err := w.look(); err != nil {
			return err
		}
	wait:
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
				break wait
			case e := <-ended:
				if err := w.end(&e); err != nil {
					return err
				}
			}
		}
	}
}

// subscribe has the ends of sockets of all namespaces that were named sent to
// ended.
func (f *socketsFlags) subscribe(ctx context.Context, ended chan<- sockets.Ended) error {
	return f.eachNamespace(func(l *sockets.Lister) error { return l.Ends(ctx, ended) })
}

// look lists the sockets and says what has changed since it did so before.
func (w *watch) look() error {
	f := w.f
	f.notes = nil // each look has its own
	w.round++
	var screen bytes.Buffer
	var table rowPrinter
	shown, total := 0, 0
	room := 1 << 30
	if w.live {
		f.out = &screen
		table = f.printer()
		if _, h, err := term.GetSize(int(f.std.out.Fd())); err == nil {
			room = max(h-10, 5)
		}
	}
	for r, err := range f.rows(f.query()) {
		if err != nil {
			return err
		}
		total++
		if err := w.see(r); err != nil {
			return err
		}
		if w.live && shown < room {
			shown++
			if err := table.print(r); err != nil {
				return err
			}
		}
	}
	for k, s := range w.known {
		// The kernel tells of the end a moment after the socket is gone: with what was
		// counted. It is waited for until the next look.
		if s.round < w.round-1 {
			delete(w.known, k)
			if len(w.told) >= maxTold {
				clear(w.told)
			}
			w.told[k] = struct{}{}
			if err := w.say("closed", s.state, s.record); err != nil {
				return err
			}
		}
	}
	if !w.live {
		return nil
	}
	if err := table.close(); err != nil {
		return err
	}
	out := fmt.Appendf(nil, "\x1b[H\x1b[2J%s  %s, %d shown  opened %d  closed %d  Ctrl-C ends\n\n",
		time.Now().Format(time.TimeOnly), output.Count(total, "socket", "sockets"), shown, w.opened, w.closed)
	width := columns(f.std.out)
	if width == 0 {
		width = 1 << 20
	}
	for l := range bytes.Lines(screen.Bytes()) {
		out = append(output.AppendFit(out, bytes.TrimSuffix(l, []byte("\n")), width), '\n')
	}
	out = append(out, '\n')
	for _, e := range w.recent {
		out = append(output.AppendFit(out, e, width), '\n')
	}
	_, err := f.std.out.Write(out)
	return err
}

// see compares a socket with what was known of it.
func (w *watch) see(r *sockets.Row) error {
	// What stays of a connection in TIME_WAIT is another socket to the kernel.
	if !r.Full && !w.f.expr.NamesState() {
		return nil
	}
	k, state := keyOf(r), stateName(r)
	s := w.known[k]
	if s != nil && s.state == state {
		s.round = w.round
		return nil
	}
	b, err := encodeJSON(w.f.record(r))
	if err != nil {
		return err
	}
	event, from := "opened", ""
	if s != nil {
		event, from = "changed", s.state
	} else {
		s = new(watched)
		w.known[k] = s
	}
	s.state, s.record, s.round = state, b[1:len(b)-1], w.round
	if w.round == 1 {
		return nil
	}
	return w.say(event, from, s.record)
}

// end says that a socket has been closed, with what was counted at its end.
func (w *watch) end(e *sockets.Ended) error {
	if e.Lost {
		return nil // the next look finds out
	}
	k := keyOf(e.Row)
	s := w.known[k]
	if _, ok := w.told[k]; ok && s == nil {
		delete(w.told, k)
		return nil
	}
	if !slices.Contains(w.f.kinds(), e.Row.Kind) || !w.f.expr.Match(e.Row) || !w.f.match.matches(e.Row) {
		if s == nil {
			return nil
		}
	}
	if s == nil && e.Row.Dst.Port() == 0 {
		return nil // it came and went without a connection
	}
	rec := w.f.record(e.Row)
	from := ""
	if s != nil {
		// who it belonged to is known from before
		var old socketRecord
		if json.Unmarshal([]byte("{"+string(s.record)+"}"), &old) == nil {
			rec.Process, rec.User, rec.Service, rec.Socket.Inode = old.Process, old.User, old.Service, old.Socket.Inode
		}
		from = s.state
		delete(w.known, k)
	}
	b, err := encodeJSON(rec)
	if err != nil {
		return err
	}
	return w.say("closed", from, b[1:len(b)-1])
}

// say prints an event. fields are those of the socket, as JSON.
func (w *watch) say(event, from string, fields []byte) error {
	now := time.Now()
	switch event {
	case "opened":
		w.opened++
	case "closed":
		w.closed++
	}
	if w.live {
		var r socketRecord
		_ = json.Unmarshal([]byte("{"+string(fields)+"}"), &r)
		w.recent = append(w.recent, now.Format("15:04:05.000  ")+inWords(event, from, &r))
		if n := len(w.recent); n > 5 {
			w.recent = w.recent[n-5:]
		}
		return nil
	}
	b := fmt.Appendf(nil, `{"schema":"1.0","type":"socket_event","ts":%q,"event":%q,`, stamp(now), event)
	if from != "" {
		b = fmt.Appendf(b, `"from":%q,`, from)
	}
	b = append(append(b, fields...), "}\n"...)
	_, err := w.f.std.out.Write(b)
	return err
}

// inWords is an event as people read it. What it is of may come from a file.
func inWords(event, from string, r *socketRecord) string {
	b := fmt.Appendf(nil, "%-7s %s ", event, output.Visible(r.Network.Transport))
	end := func(e *socketEnd) {
		switch {
		case e != nil && e.Path != "":
			b = append(b, output.Visible(e.Path)...)
		case e != nil && strings.Contains(e.IP, ":"):
			b = fmt.Appendf(b, "[%s]:%d", output.Visible(e.IP), e.Port)
		case e != nil && e.IP != "":
			b = fmt.Appendf(b, "%s:%d", output.Visible(e.IP), e.Port)
		default:
			b = append(b, '*')
		}
	}
	end(r.Local)
	if r.Peer != nil {
		b = append(b, " > "...)
		end(r.Peer)
	}
	b = append(append(b, ' '), output.Visible(r.Socket.State)...)
	if from != "" && from != r.Socket.State {
		b = append(append(b, ", was "...), output.Visible(from)...)
	}
	for i, p := range r.Process[:min(len(r.Process), shownOwners)] {
		if i == 0 {
			b = append(append(b, "  "...), processName(p.Name)...)
		}
		b = fmt.Appendf(b, " %d", p.PID)
	}
	if more := len(r.Process) - shownOwners; more > 0 {
		b = fmt.Appendf(b, " and %d more", more)
	}
	return string(b)
}

// runWaitFor waits until a socket matches, and prints those that do.
func (f *socketsFlags) runWaitFor() error {
	e, err := sockets.Parse(f.waitFor)
	if err == nil && e == nil {
		err = fmt.Errorf("an expression is missing")
	}
	if err != nil {
		such := "such as --wait-for 'state listening sport = :8765'"
		if _, other := filter.Compile(f.waitFor); other == nil && f.waitFor != "" {
			such = "fields are for -Y, which does not wait; --wait-for takes the grammar of ss, " + such
		}
		return hinted{marked("--wait-for", err), such}
	}
	f.expr = sockets.And(f.expr, e)
	ctx, stop := interruptible()
	defer stop()
	begin := time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	q := f.query()
	q.Nested, q.Join, q.Ext = false, false, 0
	for {
		f.notes = nil // each look has its own
		there := false
		for _, err := range f.plainRows(q) {
			if err != nil {
				return err
			}
			there = true
			break
		}
		if there {
			f.notes = nil
			return f.list()
		}
		if f.timeout > 0 && time.Since(begin) >= f.timeout {
			return failure(fmt.Sprintf("no socket matched in %v: %s", f.timeout, f.waitFor))
		}
		select {
		case <-ctx.Done():
			return status(130)
		case <-tick.C:
		}
	}
}

// A snapshot is the first line of a saved file.
type snapshot struct {
	Schema string `json:"schema"`
	Type   string `json:"type"`
	Time   string `json:"ts"`
	// Boot tells from which start of the system cookies are: those of another one
	// say nothing.
	Boot string `json:"boot_id"`
	// Query is which sockets these are.
	Query savedQuery `json:"query"`
}

func bootID() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b))
}
