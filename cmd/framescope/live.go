package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"framescope/capture/capability"
	"framescope/capture/netns"
	"framescope/capture/pcapfile"
	"framescope/capture/ring"
	"framescope/cmd/framescope/internal/output"
	"framescope/decode/flow"
	"framescope/decode/record"
)

// A live is one run of framescope capture.
type live struct {
	std  stdio
	f    *captureFlags
	cfg  flow.Config
	opts output.Options
	// ready, if not nil, is called when all that happens from then on is captured.
	ready func()

	src     *ring.Source
	engine  *flow.Engine       // nil when nothing is decoded
	out     *output.Printer    // the same
	file    *pcapfile.Recorder // nil when nothing is written
	bar     *counter
	matched atomic.Pointer[string] // what matched --until or --fail-on
	packets int64
	bytes   int64
	began   time.Time
	asked   time.Time // when statistics were asked for last
}

// delay is how long the kernel may hold packets back: short when somebody
// looks at them, longer when they are only written.
const (
	delayShown   = 4 * time.Millisecond
	delayWritten = 50 * time.Millisecond
)

// lingers is how long a closed connection waits for stragglers: the kernel
// hands packets over in their order.
const lingers = 200 * time.Millisecond

// watch has records looked at for --until and --fail-on.
func (l *live) watch() error {
	flag, expr := "--until", l.f.until
	if l.f.failOn != "" {
		flag, expr = "--fail-on", l.f.failOn
	}
	if expr == "" {
		return nil
	}
	until, err := compileFilter(flag, expr)
	if err != nil {
		return err
	}
	c := &l.cfg
	asked, match := c.Want, c.Match
	c.Want |= until.Types()
	c.Digest = c.Digest || until.Uses("websocket.sha256")
	c.Full = c.Full || usesPayload(until)
	c.Match = func(r record.Record) bool {
		if l.matched.Load() == nil && until.Match(r) {
			what := describe(r) + " matched " + flag
			if l.matched.CompareAndSwap(nil, &what) {
				l.src.Wake()
			}
		}
		return asked.Has(r.Type()) && (match == nil || match(r))
	}
	return nil
}

// interruptible returns a context that Ctrl-C, SIGTERM and a terminal that goes
// away end. The second signal ends the process at once.
func interruptible() (context.Context, func()) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, hangup)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// describe names a record for a person.
func describe(r record.Record) string {
	h := r.Shared()
	s := r.Type().String()
	if h.Conn != nil {
		s = string(record.AppendID(nil, h.Conn.ID)) + ", " + s
	}
	if h.First > 0 {
		s = fmt.Sprintf("packet %d, %s", h.First, s)
	}
	return s
}

// run captures until something ends it: ctx is Ctrl-C.
func (l *live) run(ctx context.Context) error {
	f := l.f
	l.began = time.Now()
	if err := l.open(ctx); err != nil {
		return err
	}
	defer l.src.Close()
	defer context.AfterFunc(ctx, l.src.Wake)()
	if f.file == "" || f.print {
		l.cfg.File = strings.Join(f.interfaces, ",")
		var err error
		if l.out, err = begin(l.std, &f.printFlags, &l.cfg, l.opts); err != nil {
			return err
		}
		l.cfg.Linger = lingers
		l.engine = flow.New(l.cfg)
	}
	if !f.quiet {
		l.announce()
	}
	if l.ready != nil {
		l.ready()
	}
	err := l.loop(ctx)
	l.bar.clear()
	return l.end(err)
}

// open opens the namespace, the sockets and the file, and gives up all rights.
func (l *live) open(ctx context.Context) error {
	f := l.f
	c := ring.Config{
		Interfaces: f.interfaces, SnapLen: f.snap, Buffer: int(f.buffer), Delay: delayShown, Promiscuous: f.promiscuous, FilterText: f.capture,
	}
	if f.file != "" && !f.print {
		c.Delay = delayWritten
	}
	var err error
	if f.netns != "" {
		if c.Namespace, err = netns.Open(f.netns); err != nil {
			return explainCapture(f, err)
		}
		defer c.Namespace.Close()
	}
	if f.capture != "" {
		c.Filter = kernelFilter(f.capture)
	}
	if l.src, err = ring.Open(&c); err != nil {
		return explainCapture(f, err)
	}
	if f.file != "" {
		if err := l.create(ctx); err != nil {
			l.src.Close()
			return err
		}
	}
	keep := []capability.Cap{}
	if f.rotates() && !mine(filepath.Dir(f.file)) {
		keep = append(keep, capability.DACOverride) // for the files to come
	}
	switch err := capability.Drop(keep...); {
	case errors.Is(err, capability.ErrNotSupported):
		if !f.quiet && capability.Effective(capability.NetRaw) {
			fmt.Fprintf(l.std.err, "framescope: this build keeps its rights while it captures: it was made with cgo; use CGO_ENABLED=0 go build\n")
		}
	case err != nil:
		l.src.Close()
		return fmt.Errorf("giving up rights: %w", err)
	}
	return nil
}

// create creates the file. A FIFO may be long without a reader.
func (l *live) create(ctx context.Context) error {
	if l.f.print {
		// That nobody reads the records any more is no reason to leave the file
		// without its end: it is an error instead of a signal.
		signal.Notify(make(chan os.Signal, 1), brokenPipe)
	}
	done := make(chan error, 1)
	go func() {
		file, err := newRecorder(l.f, l.src, time.Now())
		l.file = file
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(time.Second):
	}
	fmt.Fprintf(l.std.err, "framescope: waiting for a reader of %s\n", output.Visible(l.f.file))
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return status(130)
	}
}

// mine reports whether a folder belongs to the user.
func mine(dir string) bool {
	st, err := os.Stat(dir)
	return err == nil && owns(st)
}

// announce says where packets come from and where they go.
func (l *live) announce() {
	what := "capturing on " + output.Visible(strings.Join(l.f.interfaces, ", "))
	if l.f.capture != "" {
		what += ", " + output.Visible(l.f.capture)
	}
	if l.file != nil {
		what += ", writing " + output.Visible(l.file.Name()) + ": raw packets, nothing redacted"
	}
	fmt.Fprintf(l.std.err, "framescope: %s\n", what)
	if l.engine == nil && terminal(l.std.err) {
		l.bar = &counter{w: l.std.err}
	}
}

// idle is how long to wait for packets before looking after other things.
const idle = 50 * time.Millisecond

// loop takes packets until it is to end, and then those that were captured
// before that and are on their way still.
func (l *live) loop(ctx context.Context) error {
	free := make(chan *ring.Batch, flow.Ahead+1)
	for range cap(free) {
		free <- new(ring.Batch)
	}
	start := time.Now()
	var last int64 // what was captured later does not count any more
	var end time.Time
	for {
		now := time.Now()
		if last == 0 && ctx.Err() != nil {
			end = now
			last = end.UnixNano()
		} else if last == 0 && l.f.span > 0 && now.Sub(start) >= l.f.span {
			end = start.Add(l.f.span)
			// By the clock that packets have now: it may have been set meanwhile.
			last = now.Add(end.Sub(now)).UnixNano()
		}
		if l.matched.Load() != nil || l.f.count > 0 && l.packets >= l.f.count {
			return nil
		}
		wait := idle
		if last != 0 {
			wait = time.Millisecond
		} else if l.f.span > 0 {
			wait = min(wait, max(l.f.span-now.Sub(start), 0))
		}
		b := <-free
		err := l.src.Read(b, wait)
		if last != 0 && now.Sub(end) > l.late() && (len(b.Packets) == 0 || b.Packets[0].Time > last) {
			b.Release()
			return nil // all that was captured before the end has been taken
		}
		if err := l.take(b, last); err != nil {
			return err
		}
		if l.engine != nil {
			if len(b.Packets) == 0 {
				l.engine.Tick(now.Add(-l.late()).UnixNano())
			}
			l.engine.Flush(func() {
				l.out.Flush() // more may be long in coming
				b.Release()
				free <- b
			})
			if err := l.engine.Err(); err != nil {
				return fmt.Errorf("standard output: %w", err)
			}
		} else {
			b.Release()
			free <- b
		}
		if err != nil && !l.survives(err) {
			return err
		}
		if l.file != nil {
			if err := l.written(time.Now()); err != nil {
				return err
			}
		}
		l.bar.show(l)
	}
}

// late is how old a packet can be when it comes.
func (l *live) late() time.Duration {
	d := delayShown
	if l.engine == nil {
		d = delayWritten
	}
	return 2*d + 2*time.Millisecond
}

// take takes the packets of a batch: all, or those up to a time, and no more
// than --count.
func (l *live) take(b *ring.Batch, last int64) error {
	ps := b.Packets
	if last != 0 {
		ps = slices.DeleteFunc(ps, func(p pcapfile.Packet) bool { return p.Time > last })
	}
	if l.f.count > 0 {
		ps = ps[:min(int64(len(ps)), l.f.count-l.packets)]
	}
	b.Packets = ps
	l.packets += int64(len(ps))
	if l.file != nil {
		if err := l.file.Packets(ps); err != nil {
			return err
		}
	}
	for i := range ps {
		l.bytes += int64(ps[i].Wire)
		if l.engine != nil {
			l.engine.Packet((*flow.Packet)(&ps[i]))
		}
	}
	return nil
}

// written goes on to the next file, writes what has waited for long enough, and
// has the file know what was dropped: all of it now and then.
func (l *live) written(now time.Time) error {
	if now.Sub(l.asked) >= 500*time.Millisecond {
		l.asked = now
		l.statistics(l.src.Stats(), now)
	}
	return l.file.FlushDue(now)
}

// statistics tells the file what will stand at its end. The file keeps its errors.
func (l *live) statistics(all []ring.Stats, now time.Time) {
	for i, s := range all {
		_ = l.file.Statistics(uint16(i), s.Received, s.Dropped, l.began, now)
	}
}

// survives reports whether the capture can go on, and says what happened.
func (l *live) survives(err error) bool {
	if !isDown(err) {
		return false
	}
	l.bar.clear()
	complain(l.std.err, hinted{err, "packets are captured again when it is up"})
	return true
}

// end prints what it comes to.
func (l *live) end(err error) error {
	var dropped int64
	stats := l.src.Stats()
	for _, s := range stats {
		dropped += s.Dropped
	}
	if l.file != nil {
		l.statistics(stats, time.Now())
		if e := l.file.Close(); err == nil {
			err = e
		}
	}
	if l.engine != nil {
		l.engine.Dropped(dropped)
		_, e := l.engine.Close(false)
		if e == nil {
			e = l.out.Close()
		}
		if e != nil && err == nil {
			err = fmt.Errorf("standard output: %w", e)
		}
	}
	if l.file != nil && !l.f.quiet {
		where := output.Visible(l.file.Name())
		files, packets, size := l.file.Written()
		if files > 1 {
			where = fmt.Sprintf("%d files, the last is %s", files, where)
			if l.f.keep > 0 && files > l.f.keep {
				where += fmt.Sprintf("; %d are kept", l.f.keep)
			}
		}
		fmt.Fprintf(l.std.err, "framescope: %s, %s, %d dropped, written to %s\n",
			output.Count(packets, "packet", "packets"), output.Bytes(size), dropped, where)
	}
	if dropped > 0 {
		fmt.Fprintf(l.std.err, "framescope: %s dropped: the buffer was full\n  try: a narrower filter, -s to capture less of each, a larger --buffer (now %v), or a reader of the output that does not pause\n",
			output.Count(dropped, "packet", "packets"), &l.f.buffer)
	}
	if err != nil {
		return err
	}
	what := l.matched.Load()
	switch {
	case l.f.until != "" && what == nil:
		return failure("no record matched --until " + l.f.until)
	case l.f.failOn != "" && what != nil:
		return failure(*what)
	case what != nil && !l.f.quiet:
		fmt.Fprintf(l.std.err, "framescope: %s\n", *what)
	case l.engine != nil && l.packets == 0 && l.f.capture != "" && !l.f.quiet:
		fmt.Fprintf(l.std.err, "framescope: no packet matched the capture filter\n")
	}
	return nil
}
