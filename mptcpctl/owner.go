package mptcpctl

// An Owner is a process that holds a socket; the zero Owner stands for none that
// could be seen.
type Owner struct {
	PID int `json:"pid,omitempty"`
	// Command is the name of the process, as in /proc/PID/comm.
	Command string `json:"command,omitempty"`
}

// An OwnerFinder finds out who holds sockets; sockets.Holders is one.
type OwnerFinder interface {
	// FindOwners sets the owners of the inodes that are in the map, as far as it
	// can; it adds none.
	FindOwners(inodes map[uint32]Owner)
}

// DefaultMaxOwned is a Query's MaxOwned where nobody has asked for owners.
const DefaultMaxOwned = 1000
