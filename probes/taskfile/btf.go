package taskfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// layout is what the program has to know of the kernel's types: where fields are,
// in bytes, and the number of the iterator's function.
type layout struct {
	tgid, comm, inode, ino int16
	iterator               uint32
}

// Kinds of types (Documentation/bpf/btf.rst in the kernel).
const (
	btfInt       = 1
	btfArray     = 3
	btfStruct    = 4
	btfUnion     = 5
	btfEnum      = 6
	btfFunc      = 12
	btfFuncProto = 13
	btfVar       = 14
	btfDatasec   = 15
	btfDeclTag   = 17
	btfTypeTag   = 18 // the last that has nothing behind it
	btfEnum64    = 19

	btfHeader = 24 // bytes
	btfType   = 12
	btfMember = 12
)

// types are the kernel's types in the BPF Type Format.
type types struct {
	section []byte // types one after the other, the first has the number 1
	strings []byte
	looks   int // at all types, for structures without names
}

// A btfError says what is wrong with the kernel's types.
type btfError string

func (e btfError) Error() string { return "/sys/kernel/btf/vmlinux: " + string(e) }

// parseBTF finds the sections. The result refers to b.
func parseBTF(b []byte) (t types, err error) {
	if len(b) < btfHeader || binary.NativeEndian.Uint16(b) != 0xeb9f {
		return t, btfError("it does not begin as types do")
	}
	u32 := func(at int) uint64 { return uint64(binary.NativeEndian.Uint32(b[at:])) }
	head, size := u32(4), uint64(len(b))
	section := func(at int) ([]byte, bool) {
		off, n := head+u32(at), u32(at+4)
		if off+n > size {
			return nil, false
		}
		return b[off : off+n], true
	}
	var types, strings bool
	t.section, types = section(8)
	t.strings, strings = section(16)
	if !types || !strings {
		return t, btfError("a section ends behind the file")
	}
	return t, nil
}

// name returns where a string is.
func (t *types) name(s string) (uint32, bool) {
	at := bytes.Index(t.strings, append(append([]byte{0}, s...), 0))
	return uint32(at + 1), at >= 0
}

// called reports whether the string at at is s.
func (t *types) called(at uint32, s string) bool {
	n := uint64(at) + uint64(len(s))
	return n < uint64(len(t.strings)) && t.strings[n] == 0 && string(t.strings[at:n]) == s
}

// A named is a type that is looked for.
type named struct {
	name string
	kind uint32

	at   uint32 // of the name
	id   uint32
	body []byte // what is behind the type's head
	bits bool   // offsets share their word with sizes of bit fields
}

// find looks for types, all in one pass: there are more than a hundred thousand.
func (t *types) find(wanted []*named) error {
	for _, w := range wanted {
		at, ok := t.name(w.name)
		if !ok {
			return fmt.Errorf("%w: no %s", ErrNotSupported, w.name)
		}
		w.at = at
	}
	missing := len(wanted)
	for id, head := range t.all() {
		if !head.valid {
			return btfError("a type that is not known, or one that is cut off")
		}
		for _, w := range wanted {
			if w.at == head.name && w.kind == head.kind && w.id == 0 {
				w.id, w.body, w.bits = id, head.body, head.bits
				if missing--; missing == 0 {
					return nil
				}
			}
		}
	}
	return fmt.Errorf("%w: a type is missing", ErrNotSupported)
}

// A typeHead is a type as it is found.
type typeHead struct {
	valid      bool
	bits       bool
	name, kind uint32
	body       []byte
}

// all walks over the types and their numbers. A type that is not valid is the
// last.
func (t *types) all() func(yield func(uint32, typeHead) bool) {
	return func(yield func(uint32, typeHead) bool) {
		b := t.section
		for id := uint32(1); len(b) > 0; id++ {
			if len(b) < btfType {
				yield(id, typeHead{})
				return
			}
			info := binary.NativeEndian.Uint32(b[4:])
			n, kind := int(info&0xffff), info>>24&0x1f
			switch kind {
			case btfInt, btfVar, btfDeclTag:
				n = 4
			case btfArray:
				n = 12
			case btfStruct, btfUnion, btfDatasec, btfEnum64:
				n *= 12
			case btfEnum, btfFuncProto:
				n *= 8
			default:
				if kind == 0 || kind > btfTypeTag {
					yield(id, typeHead{})
					return
				}
				n = 0
			}
			if len(b) < btfType+n {
				yield(id, typeHead{})
				return
			}
			if !yield(id, typeHead{true, info>>31 == 1, binary.NativeEndian.Uint32(b), kind, b[btfType : btfType+n]}) {
				return
			}
			b = b[btfType+n:]
		}
	}
}

// maxNested bounds structures without names within each other, and maxLooks how
// often all types are looked at for them.
const (
	maxNested = 4
	maxLooks  = 64
)

// offset returns where a field is in a structure, in bytes. It may be in a
// structure without a name within it, as with shuffled layouts.
func (t *types) offset(of *named, field string) (int16, error) {
	if off, ok := t.member(of.body, of.bits, field, maxNested); ok && off%8 == 0 && off/8 < 1<<15-8 {
		return int16(off / 8), nil
	}
	return 0, fmt.Errorf("%w: no field %s in %s", ErrNotSupported, field, of.name)
}

func (t *types) member(body []byte, bits bool, name string, depth int) (off uint32, ok bool) {
	place := func(m []byte) uint32 {
		if off := binary.NativeEndian.Uint32(m[8:]); bits {
			return off & 0xffffff
		} else {
			return off
		}
	}
	for m := body; len(m) >= btfMember; m = m[btfMember:] {
		if t.called(binary.NativeEndian.Uint32(m), name) {
			return place(m), true
		}
	}
	if depth == 0 {
		return 0, false
	}
	for m := body; len(m) >= btfMember; m = m[btfMember:] {
		if binary.NativeEndian.Uint32(m) != 0 {
			continue
		}
		if t.looks++; t.looks > maxLooks {
			return 0, false
		}
		inner := binary.NativeEndian.Uint32(m[4:])
		for id, head := range t.all() {
			if !head.valid {
				return 0, false
			}
			if id != inner {
				continue
			}
			if head.kind == btfStruct || head.kind == btfUnion {
				if off, ok := t.member(head.body, head.bits, name, depth-1); ok {
					return place(m) + off, true
				}
			}
			break
		}
	}
	return 0, false
}

// readLayout finds what the program has to know.
func readLayout(btf []byte) (l layout, err error) {
	t, err := parseBTF(btf)
	if err != nil {
		return l, err
	}
	task, file, inode := &named{name: "task_struct", kind: btfStruct}, &named{name: "file", kind: btfStruct}, &named{name: "inode", kind: btfStruct}
	iterator := &named{name: "bpf_iter_task_file", kind: btfFunc}
	if err := t.find([]*named{task, file, inode, iterator}); err != nil {
		return l, err
	}
	l.iterator = iterator.id
	for _, f := range []struct {
		of   *named
		name string
		off  *int16
	}{{task, "tgid", &l.tgid}, {task, "comm", &l.comm}, {file, "f_inode", &l.inode}, {inode, "i_ino", &l.ino}} {
		if *f.off, err = t.offset(f.of, f.name); err != nil {
			return l, err
		}
	}
	return l, nil
}
