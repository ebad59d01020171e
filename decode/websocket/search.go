package websocket

import (
	"bytes"
	"slices"

	"framescope/decode"
	"framescope/decode/frame"
)

// findStep is how many bytes a search takes at once before it is asked.
const findStep = 2 << 10

// A queued is a part of the stream that waits to be decoded after a boundary
// was found: bytes, or a gap.
type queued struct {
	data   []byte
	lost   int64
	start  bool
	origin decode.Origin
}

// boundary returns what a boundary looks like in this stream.
func (s *Side) boundary() Boundary {
	return Boundary{
		Role: s.Sender(), Compression: s.Compression, Seen: s.seen, Longest: s.longest,
		Unknown: s.Unknown, Convinced: s.convinced,
	}
}

// find looks for a boundary with the next bytes of the stream.
func (s *Side) find(b []byte, start bool, o decode.Origin, h Handler) []byte {
	if s.finder == nil {
		s.finder = take(&s.Config.finders)
		s.finder.Judge = s.boundary()
		s.finder.Reset(s.at)
	}
	n := min(len(b), findStep)
	s.finder.Add(b[:n], start, o)
	s.at += int64(n)
	s.skipped.Last = o
	switch s.finder.Find(false) {
	case frame.Found:
		s.found(queued{data: b[n:], origin: o}, h)
		return nil
	case frame.Hopeless:
		s.giveUp()
	}
	return b[n:]
}

// found goes on at the boundary: with what the finder has kept, then with more.
func (s *Side) found(more queued, h Handler) {
	f := s.finder
	off := f.Offset()
	var q []queued
	for p := range f.Kept() {
		if len(q) == 0 {
			s.skipped.Last = p.Origin
		}
		q = append(q, queued{bytes.Clone(p.Data), p.Lost, p.Start, p.Origin})
	}
	if len(more.data) > 0 {
		s.queue = append(s.queue, more)
	}
	s.enqueue(q)
	s.closeSearch(off)
	s.flush(h)
	s.Unknown = false
	s.dec.Resume(off)
	s.mode = modeFrames
	s.replay(h)
}

// searchAgain looks at what the finder has kept with other eyes.
func (s *Side) searchAgain(h Handler) {
	f, k := s.finder, s.skipped
	k.Bytes += f.Skipped()
	var q []queued
	for p := range f.Kept() {
		if len(q) == 0 {
			s.at = p.Off
		}
		q = append(q, queued{bytes.Clone(p.Data), p.Lost, p.Start, p.Origin})
		k.Bytes -= int64(len(p.Data))
	}
	s.Config.giveFinder(f)
	s.finder = nil
	s.enqueue(q)
	s.replay(h)
}

// enqueue puts q before what is queued.
func (s *Side) enqueue(q []queued) {
	slices.Reverse(q)
	s.queue = append(s.queue, q...)
}

// closeSearch counts what lies before off, and gives the finder back.
func (s *Side) closeSearch(off int64) {
	k := s.skipped
	k.Bytes += s.finder.Skipped()
	k.Missing = off - k.Off - k.Bytes
	s.Config.giveFinder(s.finder)
	s.finder = nil
}

// giveUp leaves the rest of the stream alone.
func (s *Side) giveUp() {
	s.closeSearch(s.at)
	s.mode, s.gaveUp = modeSkip, true
}

// replay decodes what is queued.
func (s *Side) replay(h Handler) {
	if s.replaying {
		return // the loop below goes on with it
	}
	s.replaying = true
	for len(s.queue) > 0 {
		last := len(s.queue) - 1
		q := s.queue[last]
		s.queue = s.queue[:last]
		if q.lost > 0 {
			s.Gap(q.lost, q.origin, h)
		} else {
			s.Data(q.data, q.start, q.origin, h)
		}
	}
	s.queue = nil
	s.replaying = false
}

// endSearch asks the finder for the last time.
func (s *Side) endSearch(h Handler) {
	for s.mode == modeSearch {
		if s.finder == nil {
			return
		}
		if s.finder.Find(true) != frame.Found {
			s.giveUp()
			return
		}
		s.found(queued{}, h)
	}
}

// lose begins a run of bytes at off that are in no frame, and forgets what was
// open.
func (s *Side) lose(off int64, first decode.Origin, cause string, err error) {
	s.dropMessage()
	s.orphan, s.inHead = true, false
	if s.inflate != nil {
		s.inflate.Lose()
	} else {
		s.stale = true
	}
	s.skipped = &Skipped{Off: off, First: first, Last: first, Cause: cause, Err: err}
	s.mode, s.at = modeSearch, off
}

// skip counts n captured bytes of the run.
func (s *Side) skip(n int64, o decode.Origin) {
	if n > 0 {
		s.at += n
		s.skipped.Bytes += n
		s.skipped.Last = o
	}
}

// missing counts n bytes of the run that were not captured.
func (s *Side) missing(n int64, o decode.Origin) {
	s.at += n
	if s.finder != nil {
		s.finder.Gap(n) // it is told apart when the search ends
		return
	}
	s.skipped.Missing += n
	s.skipped.Last = o
}

// flush gives the run out.
func (s *Side) flush(h Handler) {
	k := s.skipped
	if k != nil && k.Bytes+k.Missing > 0 {
		h.Skipped(k)
	}
	s.skipped = nil
}
