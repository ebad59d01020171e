package main

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"sync"

	"framescope/capture/netns"
	"framescope/cmd/framescope/internal/output"
	"framescope/probes/sockets"
)

// rows returns the sockets that q asks for, of all namespaces that were named,
// and their owners.
func (f *socketsFlags) rows(q sockets.Query) iter.Seq2[*sockets.Row, error] {
	rows := f.plainRows(q)
	if f.match != nil && !f.match.owners {
		rows = f.match.rows(rows)
	}
	if f.wantsOwners() {
		rows = sockets.Owned(rows, func(o *sockets.Owners) { f.owners = o })
	}
	if f.match != nil && f.match.owners {
		rows = f.match.rows(rows)
	}
	table := f.format == "table" || f.format == "wide"
	switch {
	case table && f.view == "framescope":
		rows = inOrder(rows, byPort)
	case table && f.view == "lsof":
		rows = inOrder(rows, byProcess)
	}
	return rows
}

// fewRows is how many rows are put in order. More are printed as they come.
const fewRows = 500

// inOrder puts rows in order if there are few.
func inOrder(rows iter.Seq2[*sockets.Row, error], compare func(a, b *sockets.Row) int) iter.Seq2[*sockets.Row, error] {
	return func(yield func(*sockets.Row, error) bool) {
		var held []*sockets.Row
		flush := func() bool {
			for _, r := range held {
				if !yield(r, nil) {
					return false
				}
			}
			held = nil
			return true
		}
		many := false
		for r, err := range rows {
			switch {
			case err != nil:
				if flush() {
					yield(nil, err)
				}
				return
			case many:
				if !yield(r, nil) {
					return
				}
			default:
				held = append(held, r.Clone())
				if many = len(held) >= fewRows; many && !flush() {
					return
				}
			}
		}
		if !many {
			slices.SortStableFunc(held, compare)
			flush()
		}
	}
}

// byPort has listeners come first, and connections by their own ports and those of
// their peers.
func byPort(a, b *sockets.Row) int {
	connected := func(r *sockets.Row) int {
		if r.Listening() {
			return 0
		}
		return 1
	}
	if a.Netns != b.Netns || a.Kind != b.Kind {
		return 0 // they come one after the other
	}
	return cmp.Or(cmp.Compare(connected(a), connected(b)), cmp.Compare(a.Src.Port(), b.Src.Port()), a.Src.Addr().Compare(b.Src.Addr()),
		cmp.Compare(a.Dst.Port(), b.Dst.Port()), a.Dst.Addr().Compare(b.Dst.Addr()), cmp.Compare(a.Inode, b.Inode))
}

// byProcess is the order of lsof.
func byProcess(a, b *sockets.Row) int {
	if len(a.Owners) == 0 || len(b.Owners) == 0 {
		return cmp.Compare(len(a.Owners), len(b.Owners))
	}
	return cmp.Or(cmp.Compare(a.Owners[0].PID, b.Owners[0].PID), cmp.Compare(a.Owners[0].FD, b.Owners[0].FD))
}

func (f *socketsFlags) plainRows(q sockets.Query) iter.Seq2[*sockets.Row, error] {
	return func(yield func(*sockets.Row, error) bool) {
		err := f.eachNamespace(func(l *sockets.Lister) error {
			for r, err := range l.Rows(q) {
				if err != nil {
					return err
				}
				if !yield(r, nil) {
					return errEnough
				}
			}
			f.notes = append(f.notes, l.Notes()...)
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(nil, err)
		}
	}
}

// errEnough ends a walk without an error.
var errEnough = errors.New("enough")

// eachNamespace calls do with a Lister for each namespace that was named.
func (f *socketsFlags) eachNamespace(do func(*sockets.Lister) error) error {
	return eachNamespace(f.netns, &f.notes, do)
}

func eachNamespace(name string, notes *[]string, do func(*sockets.Lister) error) error {
	all, done, err := openNamespaces(name, notes)
	defer done()
	for _, l := range all {
		if err == nil {
			err = do(l)
		}
	}
	return err
}

// openNamespaces opens the namespaces that were named. done closes them.
func openNamespaces(name string, notes *[]string) (all []*sockets.Lister, done func(), err error) {
	var files []*os.File
	done = func() {
		for _, l := range all {
			l.Close()
		}
		for _, f := range files {
			f.Close()
		}
	}
	open := func(label, path string) error {
		var ns *os.File
		if path != "" {
			var err error
			if ns, err = netns.Open(path); err != nil {
				return err
			}
			files = append(files, ns)
		}
		l, err := sockets.Open(ns)
		if err != nil {
			return err
		}
		l.Netns = label
		all = append(all, l)
		return nil
	}
	if name != "all" {
		err = open("", name)
		return all, done, err
	}
	list, hidden := sockets.Namespaces()
	if len(list) > 0 && list[0].Path == "" {
		*notes = append(*notes, "/proc is not there: network namespaces other than this one may be missing")
	}
	if hidden > 0 {
		*notes = append(*notes, output.Count(hidden, "process", "processes")+" could not be asked for the namespace: there may be more"+sudoShows())
	}
	refused := 0
	for i, n := range list {
		if i == 0 {
			n.Path = "" // our own is not entered
		}
		err := open(n.Name, n.Path)
		var e *netns.Error
		switch {
		case errors.As(err, &e) && errors.Is(err, os.ErrPermission):
			refused++
		case errors.As(err, &e): // it is gone meanwhile
		case err != nil:
			return all, done, err
		}
	}
	if refused > 0 {
		*notes = append(*notes, output.Count(refused, "network namespace", "network namespaces")+" may not be entered"+sudoShows())
	}
	return all, done, nil
}

// calmRows has the garbage collector rest: rows are gone when they are printed.
var calmRows = sync.OnceFunc(func() { calm(20<<20, 8<<20, 36<<20) })

// list prints the sockets.
func (f *socketsFlags) list() error {
	calmRows()
	p := f.printer()
	printed := false
	for r, err := range f.rows(f.query()) {
		if err != nil {
			if printed {
				_ = p.close() // what came before
			}
			return err
		}
		printed = true
		f.count(r)
		if err := p.print(r); err != nil {
			return fmt.Errorf("standard output: %w", err)
		}
	}
	if err := p.close(); err != nil {
		return err
	}
	if !printed && (f.format == "table" || f.format == "wide") {
		f.notes = append(f.notes, "no socket matches")
	}
	f.say()
	return nil
}

// count notes whose owner is missing.
func (f *socketsFlags) count(r *sockets.Row) {
	if f.owners != nil && len(r.Owners) == 0 && r.Full && r.Inode != 0 && r.Kind != sockets.Netlink {
		f.unowned++
	}
}

// say says once, below the table, what is missing.
func (f *socketsFlags) say() {
	if f.unowned > 0 {
		asked := ""
		if f.owners.From == sockets.FromIterator {
			asked = " in " + f.owners.From.String()
		}
		f.notes = append(f.notes, output.Count(f.unowned, "socket", "sockets")+" without a process"+asked+": "+noOwner(f.owners))
	}
	for i, n := range f.notes {
		if !slices.Contains(f.notes[:i], n) {
			fmt.Fprintf(f.std.err, "framescope: %s\n", visible(n))
		}
	}
}

// noOwner says why a socket may have no process.
func noOwner(o *sockets.Owners) string {
	switch {
	case o.Hidden > 0 && os.Geteuid() == 0:
		has := "they have"
		if o.Hidden == 1 {
			has = "it has"
		}
		return output.Count(o.Hidden, "process", "processes") + " may not be looked into: " + has + " more capabilities"
	case o.NoProc:
		return "/proc is not there"
	case o.Hidden > 0:
		return output.Count(o.Hidden, "process of another user", "processes of other users") + " may not be looked into" + sudoShows()
	case o.Partial:
		return "/proc does not show all processes: it is mounted with hidepid, or that of a container"
	}
	return "the kernel has made it, or it was passed on or closed meanwhile"
}

// sudoShows is what to do about what may not be seen, where that helps.
func sudoShows() string {
	if os.Geteuid() == 0 {
		return ""
	}
	return "; sudo shows them"
}

// A rowPrinter prints sockets.
type rowPrinter interface {
	print(r *sockets.Row) error
	close() error
}

func (f *socketsFlags) printer() rowPrinter {
	switch f.format {
	case "json", "jsonl":
		return newJSONRows(f)
	case "csv":
		return newCSVRows(f)
	}
	switch f.view {
	case "ss":
		return newSSRows(f)
	case "netstat":
		return newNetstatRows(f)
	case "lsof":
		return newLsofRows(f)
	}
	return newOwnRows(f)
}
