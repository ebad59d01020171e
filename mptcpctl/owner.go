package mptcpctl

// An Owner is a process that holds a socket; the zero Owner stands for none that
// could be seen.
type Owner struct {
	PID int `json:"pid,omitempty"`
	// Command is the name of the process, as in /proc/PID/comm.
	Command string `json:"command,omitempty"`
}

// An OwnerFinder finds out who holds sockets.
type OwnerFinder interface {
	// FindOwners sets the owners of the inodes that are in the map, as far as it
	// can; it adds none.
	FindOwners(inodes map[uint32]Owner)
}

// DefaultMaxOwned is a Query's MaxOwned where nobody has asked for owners.
const DefaultMaxOwned = 1000

// ProcOwners looks through the open files of all processes in /proc. Those of
// other users cannot be seen without CAP_SYS_PTRACE. Where a socket has several
// owners, it is one of them.
type ProcOwners struct{}
