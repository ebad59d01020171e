//go:build !linux

package mptcpctl

// FindOwners finds nothing: there is no /proc.
func (ProcOwners) FindOwners(map[uint32]Owner) {}
