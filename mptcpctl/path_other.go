//go:build !linux

package mptcpctl

func (*Conn) paths(*Snapshot) error { return ErrNotSupported }
