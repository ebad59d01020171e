package main

import (
	"fmt"
	"io"
	"time"

	"framescope/cmd/framescope/internal/output"
)

// A counter is a line that says how a capture goes.
type counter struct {
	w     io.Writer
	start time.Time
	next  time.Time
	shown bool
}

// show updates the line, once a second.
func (c *counter) show(l *live) {
	if c == nil {
		return
	}
	now := time.Now()
	if c.start.IsZero() {
		c.start = now
	}
	if now.Before(c.next) {
		return
	}
	c.next = now.Add(time.Second)
	c.shown = true
	dropped := int64(0)
	for _, s := range l.src.Stats() {
		dropped += s.Dropped
	}
	fmt.Fprintf(c.w, "\r%v  %s, %s, %d dropped\x1b[K", now.Sub(c.start).Truncate(time.Second),
		output.Count(l.packets, "packet", "packets"), output.Bytes(l.bytes), dropped)
}

// clear takes the line away.
func (c *counter) clear() {
	if c != nil && c.shown {
		fmt.Fprint(c.w, "\r\x1b[K")
		c.shown = false
	}
}
