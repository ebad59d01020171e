package sockets

import (
	"framescope/mptcpctl"
)

// Holders finds the processes of MPTCP connections: it is an OwnerFinder of
// mptcpctl. Where a socket has several owners, it is one of them. Processes of other
// users cannot be looked into without CAP_SYS_PTRACE.
type Holders struct{}

// FindOwners sets the owners of the inodes that are in the map.
func (Holders) FindOwners(inodes map[uint32]mptcpctl.Owner) {
	w := &Wanted{inodes: map[uint32]struct{}{}}
	for inode := range inodes {
		w.inodes[inode] = struct{}{}
	}
	found := FindOwners(w)
	var all []Owner
	for inode := range inodes {
		if all = found.Append(all[:0], inode); len(all) > 0 {
			inodes[inode] = mptcpctl.Owner{PID: all[0].PID, Command: all[0].Name}
		}
	}
}
