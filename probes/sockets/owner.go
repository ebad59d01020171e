package sockets

import (
	"cmp"
	"iter"
	"slices"
)

// An Owner is a process that holds a socket.
type Owner struct {
	PID, FD int
	// Name is what the process calls itself (comm): any bytes.
	Name string
}

// Owners says which processes hold which sockets. It is filled by FindOwners.
type Owners struct {
	found [][]ownerEntry // not yet in table, in pieces: growing would copy
	table []ownerEntry   // open addressing by the inode; without one, a place is free
	more  []ownerEntry   // of sockets that several hold, or one several times

	processes []process
	numbers   map[int32]int32 // of processes by their ids

	// Hidden is how many processes could not be looked into.
	Hidden int
	// Partial tells that /proc does not show every process: it is mounted with
	// hidepid, or is that of a container.
	Partial bool
	// NoProc tells that there is no /proc, and so no owner was found.
	NoProc bool
	// From is who was asked.
	From OwnerSource
}

// An OwnerSource is where owners are known.
type OwnerSource uint8

// Where owners are known: /proc has a link for each open file of each process; the
// kernel's iterator over files of tasks, for which root is needed, is faster where
// there are many.
const (
	FromProc OwnerSource = iota
	FromIterator
)

// String returns "/proc" or "the kernel's iterator over files of tasks".
func (s OwnerSource) String() string {
	if s == FromIterator {
		return "the kernel's iterator over files of tasks"
	}
	return "/proc"
}

// A process is one that holds sockets.
type process struct {
	pid  int32
	name string
}

type ownerEntry struct {
	inode, fd uint32
	process   int32
	next      int32 // of the same inode, in more, plus one
}

// process returns the number of a process, which is what entries have.
func (o *Owners) process(pid int32, name func() string) int32 {
	if n, ok := o.numbers[pid]; ok {
		return n
	}
	if o.numbers == nil {
		o.numbers = map[int32]int32{}
	}
	n := int32(len(o.processes))
	o.numbers[pid] = n
	o.processes = append(o.processes, process{pid, name()})
	return n
}

// place returns where the entry of an inode is, or where it belongs.
func (o *Owners) place(inode uint32) *ownerEntry {
	mask := uint32(len(o.table) - 1)
	for i := inode * 2654435761 >> 7 & mask; ; i = (i + 1) & mask {
		if e := &o.table[i]; e.inode == inode || e.inode == 0 {
			return e
		}
	}
}

// Pieces of Owners.found have so many entries at first, and at most.
const (
	smallPiece = 64
	largePiece = 4096
)

// add notes that a process has a socket. What was added counts after index.
func (o *Owners) add(inode, fd uint32, process int32) {
	if inode == 0 {
		return
	}
	last := len(o.found) - 1
	if last < 0 || len(o.found[last]) == cap(o.found[last]) {
		size := smallPiece
		if last >= 0 {
			size = largePiece
		}
		o.found = append(o.found, make([]ownerEntry, 0, size))
		last++
	}
	o.found[last] = append(o.found[last], ownerEntry{inode: inode, fd: fd, process: process})
}

// index puts what was found into the table, whose size is known now.
func (o *Owners) index() {
	size, all := 16, 0
	for _, piece := range o.found {
		all += len(piece)
	}
	for 3*size < 4*all {
		size *= 2
	}
	o.table = make([]ownerEntry, size)
	for i := 0; i < size; i += 4096 / 16 {
		o.table[i].inode = 0 // who reads a page first has it come into memory twice
	}
	for _, piece := range o.found {
		for _, f := range piece {
			e := o.place(f.inode)
			if e.inode == 0 {
				*e = f
				continue
			}
			// Many may share a socket: behind the first, not behind the last.
			f.next = e.next
			o.more = append(o.more, f)
			e.next = int32(len(o.more))
		}
	}
	o.found = nil
}

// maxOwners bounds how many owners of one socket are told.
const maxOwners = 4096

// Append appends the owners of the socket with the inode to dst: at most 4096,
// whichever they are.
func (o *Owners) Append(dst []Owner, inode uint32) []Owner {
	if o == nil || len(o.table) == 0 || inode == 0 {
		return dst
	}
	e := o.place(inode)
	if e.inode == 0 {
		return dst
	}
	n := len(dst)
	for range maxOwners {
		p := &o.processes[e.process]
		dst = append(dst, Owner{int(p.pid), int(e.fd), p.name})
		if e.next == 0 {
			break
		}
		e = &o.more[e.next-1]
	}
	if len(dst)-n > 1 {
		slices.SortFunc(dst[n:], func(a, b Owner) int { return cmp.Or(cmp.Compare(a.PID, b.PID), cmp.Compare(a.FD, b.FD)) })
		// The iterator shows files once for each thread if the first one is gone.
		same := func(a, b Owner) bool { return a.PID == b.PID && a.FD == b.FD }
		dst = dst[:n+len(slices.CompactFunc(dst[n:], same))]
	}
	return dst
}

// heldRows is how many rows wait until their owners have been looked for: if there
// are no more, only theirs are remembered.
const heldRows = 512

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

// has reports whether the owners of the socket with the inode are looked for.
func (w *Wanted) has(inode uint32) bool {
	if w.All {
		return true
	}
	_, ok := w.inodes[inode]
	return ok
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
