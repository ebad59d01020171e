package flow

import (
	"slices"

	"framescope/decode"
	"framescope/decode/finding"
	"framescope/decode/record"
)

// shared fills what all records of a connection share.
func (s *shard) shared(c *conn, d record.Direction, t, first, last int64) record.Head {
	return record.Head{Time: t, File: s.cfg.File, Conn: c.identify(s.cfg.File), Direction: d, First: first, Last: last}
}

// spill gives out what the worker has so far.
func (s *shard) spill() {
	s.engine.spill(s.job, s.worker, s.index)
}

// emit gives out a record.
func (s *shard) emit(r record.Record) {
	t := r.Type()
	if !s.cfg.Want.Has(t) || s.enc == nil || s.cfg.Match != nil && !s.cfg.Match(r) || s.halt.stop.Load() {
		return
	}
	p := s.part
	payload := 0
	switch r := r.(type) {
	case *record.Message:
		payload = len(r.Payload)
	case *record.Frame:
		payload = len(r.Payload)
	case *record.Declared:
		payload = len(r.Payload)
	}
	if payload > maxOut/8 {
		// Written out it is up to six times as long. There is one buffer for
		// that, and it belongs to the worker whose turn it is.
		s.spill()
		out := p.out
		p.out = slices.Grow(s.engine.large[:0], 6*payload+maxOut)
		defer func() {
			s.engine.large = p.out
			s.spill()
			p.out = out
		}()
	} else if len(p.out) > maxOut {
		s.spill()
	}
	p.out = s.enc.Encode(p.out, r)
	id := int64(0)
	if c := r.Shared().Conn; c != nil {
		id = c.ID
	}
	p.spans = append(p.spans, span{index: s.index, conn: id, end: len(p.out), typ: t})
}

// reports tells whether a finding would be new: each kind is given out once
// per connection and direction.
func (s *shard) reports(c *conn, d record.Direction, id finding.ID) bool {
	return !c.found[d].Has(id)
}

// report gives out a finding, unless the connection has it already.
func (s *shard) report(c *conn, d record.Direction, id finding.ID, o decode.Origin, off int64, text string) {
	if id == finding.None || !s.reports(c, d, id) {
		return
	}
	c.found[d].Add(id)
	s.give(c, d, id, o, off, text)
}

// maxEvents bounds the gaps of a connection that are given out one by one.
const maxEvents = 1000

// event gives out a finding that may come again and again in a connection.
func (s *shard) event(c *conn, d record.Direction, id finding.ID, o decode.Origin, off int64, text string) {
	if c.events >= maxEvents && !s.reports(c, d, id) {
		return
	}
	c.events++
	c.found[d].Add(id)
	s.give(c, d, id, o, off, text)
}

// give gives out a finding.
func (s *shard) give(c *conn, d record.Direction, id finding.ID, o decode.Origin, off int64, text string) {
	switch id.Severity() {
	case finding.Error:
		s.sum.Errors++
	case finding.Warning:
		s.sum.Warnings++
	default:
		s.sum.Notes++
	}
	s.problem = record.Finding{Head: s.shared(c, d, o.Time, o.Packet, o.Packet), ID: id}
	if o.Packet != 0 || text != "" {
		s.proof[0] = record.Evidence{Packet: o.Packet, Off: off, Text: text}
		s.problem.Evidence = s.proof[:]
	}
	s.emit(&s.problem)
}
