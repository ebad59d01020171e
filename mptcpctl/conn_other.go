//go:build !linux

package mptcpctl

import (
	"context"
	"iter"
	"net/netip"
)

const (
	ack  = 0
	dump = 0
)

type socket struct{}

func (*socket) close() error { return nil }

func (*Conn) open() error { return ErrNotSupported }

func (*Conn) ask(uint8, uint16, []byte) ([][]byte, error) { return nil, ErrNotSupported }

// A Monitor receives the events of a namespace.
type Monitor struct{}

// Monitor returns an error: see ErrNotSupported.
func (*Conn) Monitor() (*Monitor, error) { return nil, fail("monitor", "", ErrNotSupported) }

// Close does nothing.
func (*Monitor) Close() error { return nil }

// Events yields an error: see ErrNotSupported.
func (*Monitor) Events(context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) { yield(Event{}, fail("monitor", "", ErrNotSupported)) }
}

// Features returns an error: see ErrNotSupported.
func (*Conn) Features() (Features, error) { return Features{}, fail("features", "", ErrNotSupported) }

// Facts returns an error: see ErrNotSupported.
func (*Conn) Facts([]Endpoint, []netip.Addr) (*Facts, error) {
	return nil, fail("endpoint check", "", ErrNotSupported)
}
