package sockets

// A Namespace is a network namespace of the system.
type Namespace struct {
	// Name is the name that ip-netns(8) knows, the container, or a process in it.
	Name string
	// Path is a file that stands for it, or "" for that of the caller without /proc.
	Path string
	// ID is the number of its inode, or zero without a path.
	ID uint64
}
