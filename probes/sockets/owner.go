package sockets

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// An Owner is a process that holds a socket.
type Owner struct {
	PID, FD int
	// Name is what the process calls itself (comm): any bytes.
	Name string
}

// Owners says which processes hold which sockets. It is filled by FindOwners.
type Owners struct {
	entries []ownerEntry
	table   []int32 // open addressing: index of an entry plus one
	used    int
	names   map[int32]string

	// Hidden is how many processes could not be looked into.
	Hidden int
	// Partial tells that /proc does not show every process: it is mounted with
	// hidepid, or is that of a container.
	Partial bool
}

type ownerEntry struct {
	inode, fd uint32
	pid       int32
	next      int32 // of the same inode, plus one
}

func hashInode(i uint32) uint32 { return i * 2654435761 }

// add notes that a process has a socket.
func (o *Owners) add(inode uint32, pid int32, fd uint32) {
	if len(o.table) < 2*(o.used+1) {
		o.grow()
	}
	mask := uint32(len(o.table) - 1)
	o.entries = append(o.entries, ownerEntry{inode: inode, fd: fd, pid: pid})
	n := int32(len(o.entries))
	for i := hashInode(inode) >> 7 & mask; ; i = (i + 1) & mask {
		switch at := o.table[i]; {
		case at == 0:
			o.table[i] = n
			o.used++
			return
		case o.entries[at-1].inode == inode:
			// what comes first stays first
			for o.entries[at-1].next != 0 {
				at = o.entries[at-1].next
			}
			o.entries[at-1].next = n
			return
		}
	}
}

func (o *Owners) grow() {
	old := o.table
	o.table = make([]int32, max(2*len(old), 1024))
	mask := uint32(len(o.table) - 1)
	for _, at := range old {
		if at == 0 {
			continue
		}
		i := hashInode(o.entries[at-1].inode) >> 7 & mask
		for o.table[i] != 0 {
			i = (i + 1) & mask
		}
		o.table[i] = at
	}
}

func (o *Owners) first(inode uint32) int32 {
	if len(o.table) == 0 || inode == 0 {
		return 0
	}
	mask := uint32(len(o.table) - 1)
	for i := hashInode(inode) >> 7 & mask; o.table[i] != 0; i = (i + 1) & mask {
		if at := o.table[i]; o.entries[at-1].inode == inode {
			return at
		}
	}
	return 0
}

// Append appends the owners of the socket with the inode to dst.
func (o *Owners) Append(dst []Owner, inode uint32) []Owner {
	if o == nil {
		return dst
	}
	n := len(dst)
	for at := o.first(inode); at != 0; at = o.entries[at-1].next {
		e := &o.entries[at-1]
		dst = append(dst, Owner{int(e.pid), int(e.fd), o.name(e.pid)})
	}
	if len(dst)-n > 1 {
		slices.SortFunc(dst[n:], func(a, b Owner) int { return cmp.Or(cmp.Compare(a.PID, b.PID), cmp.Compare(a.FD, b.FD)) })
	}
	return dst
}

// name returns what a process calls itself.
func (o *Owners) name(pid int32) string {
	if n, ok := o.names[pid]; ok {
		return n
	}
	if o.names == nil {
		o.names = map[int32]string{}
	}
	n := strings.TrimSuffix(processName(pid), "\n")
	o.names[pid] = n
	return n
}

// heldRows is how many rows wait until their owners have been looked for: if there
// are no more, only theirs are remembered.
const heldRows = 2048

// Owned passes rows on with their owners, which are looked for when the first rows
// have come. found, if not nil, is called with them.
func Owned(rows iter.Seq2[*Row, error], found func(*Owners)) iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) {
		var held []*Row
		var owners *Owners
		var failure error
		buf := make([]Owner, 0, 16)
		fill := func(r *Row) {
			// all in one slice: who appends for the next row overwrites it
			buf = owners.Append(buf[:0], r.Inode)
			r.Owners = buf
			if r.Other != nil {
				n := len(buf)
				buf = owners.Append(buf, r.Other.Inode)
				r.Owners, r.Other.Owners = buf[:n:n], buf[n:]
			}
			for _, s := range r.Subflows {
				s.Owners = r.Owners
			}
		}
		flush := func() bool {
			for _, r := range held {
				if fill(r); !yield(r, nil) {
					return false
				}
			}
			held = nil
			return true
		}
		search := func(all bool) {
			w := &Wanted{All: all}
			for _, r := range held {
				w.Add(r)
			}
			owners = FindOwners(w)
			if found != nil {
				found(owners)
			}
		}
		for r, err := range rows {
			if err != nil {
				failure = err
				break
			}
			if owners != nil {
				if fill(r); !yield(r, nil) {
					return
				}
				continue
			}
			if held = append(held, r.Clone()); len(held) >= heldRows {
				search(true)
				if !flush() {
					return
				}
			}
		}
		if owners == nil {
			search(false)
		}
		if !flush() {
			return
		}
		if failure != nil {
			yield(nil, failure)
		}
	}
}

// Wanted says whose owners are looked for.
type Wanted struct {
	// All is every socket; what was added does not matter then.
	All    bool
	inodes map[uint32]struct{}
}

// Add adds a socket and what is known of its other end.
func (w *Wanted) Add(r *Row) {
	if w.inodes == nil {
		w.inodes = map[uint32]struct{}{}
	}
	for _, r := range []*Row{r, r.Other} {
		if r == nil || r.Inode == 0 {
			continue
		}
		w.inodes[r.Inode] = struct{}{}
	}
}
