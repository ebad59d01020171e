package taskfile

import (
	"encoding/binary"
	"fmt"
)

// layout is what the program has to know of the kernel's types: where fields are,
// in bytes, and the number of the iterator's function.
type layout struct {
	pid, tgid, comm, inode, ino int16
	iterator                    uint32
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
	btfEnum64    = 19
	btfKinds     = 20

	btfHeader = 24 // bytes
	btfType   = 12
	btfMember = 12
)

// What is behind a type, in bytes: some, and more for each of its parts.
var (
	behind    = [btfKinds]uint8{btfInt: 4, btfArray: 12, btfVar: 4, btfDeclTag: 4}
	behindAll = [btfKinds]uint8{btfStruct: 12, btfUnion: 12, btfEnum: 8, btfFuncProto: 8, btfDatasec: 12, btfEnum64: 12}
)

// types are the kernel's types in the BPF Type Format.
type types struct {
	section []byte // types one after the other, the first has the number 1
	strings []byte
	looked  int // bytes of section, for structures without names
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

// called reports whether the string at at is s.
func (t *types) called(at uint32, s string) bool {
	n := uint64(at) + uint64(len(s))
	return n < uint64(len(t.strings)) && t.strings[n] == 0 && string(t.strings[at:n]) == s
}

// A found type is one that was looked for.
type found struct {
	name string
	kind uint32

	id   uint32
	body []byte // what is behind the type's head
	bits bool   // offsets share their word with sizes of bit fields
}

// find looks for types, all in one pass: there are more than a hundred thousand.
func (t *types) find(wanted ...*found) error {
	missing := len(wanted)
	for id, at := uint32(1), 0; at < len(t.section); id++ {
		name, info, body, next := t.head(at)
		if next == 0 {
			return btfError("a type that is not known, or one that is cut off")
		}
		if kind := info >> 24 & 0x1f; kind == btfStruct || kind == btfFunc {
			for _, w := range wanted {
				if w.kind == kind && w.id == 0 && t.called(name, w.name) {
					w.id, w.body, w.bits = id, t.section[body:next], info>>31 == 1
					if missing--; missing == 0 {
						return nil
					}
				}
			}
		}
		at = next
	}
	return fmt.Errorf("%w: a type is missing", ErrNotSupported)
}

// head reads the head of the type that begins at at, and says where the rest of it
// and the next one are: next is zero if it is not known, or cut off.
func (t *types) head(at int) (name, info uint32, body, next int) {
	if len(t.section)-at < btfType {
		return 0, 0, 0, 0
	}
	b := t.section[at : at+btfType]
	name, info = binary.NativeEndian.Uint32(b), binary.NativeEndian.Uint32(b[4:])
	kind := info >> 24 & 0x1f
	if kind == 0 || kind >= btfKinds {
		return 0, 0, 0, 0
	}
	body = at + btfType
	next = body + int(behind[kind]) + int(behindAll[kind])*int(info&0xffff)
	if next > len(t.section) {
		next = 0
	}
	return name, info, body, next
}

// composite returns the structure or the union that has a number.
func (t *types) composite(id uint32) (f found, ok bool) {
	for at := 0; at < len(t.section) && t.looked < maxLooked; id-- {
		_, info, body, next := t.head(at)
		if next == 0 || id == 0 {
			return f, false
		}
		t.looked += next - at
		if id == 1 {
			f.kind, f.bits, f.body = info>>24&0x1f, info>>31 == 1, t.section[body:next]
			return f, f.kind == btfStruct || f.kind == btfUnion
		}
		at = next
	}
	return f, false
}

// maxNested bounds structures without names within each other, and maxLooked how
// many bytes of types are looked at for them.
const (
	maxNested = 4
	maxLooked = 128 << 20
)

// offset returns where a field is in a structure, in bytes. It may be in a
// structure without a name within it, as with shuffled layouts.
func (t *types) offset(of *found, field string) (int16, error) {
	if off, ok := t.member(of, field, maxNested); ok && off%8 == 0 && off/8 < 1<<15-8 {
		return int16(off / 8), nil
	}
	return 0, fmt.Errorf("%w: no field %s in %s", ErrNotSupported, field, of.name)
}

func (t *types) member(of *found, name string, depth int) (off uint32, ok bool) {
	place := func(m []byte) uint32 {
		off := binary.NativeEndian.Uint32(m[8:])
		if of.bits {
			off &= 0xffffff
		}
		return off
	}
	for m := of.body; len(m) >= btfMember; m = m[btfMember:] {
		if t.called(binary.NativeEndian.Uint32(m), name) {
			return place(m), true
		}
	}
	if depth == 0 {
		return 0, false
	}
	for m := of.body; len(m) >= btfMember; m = m[btfMember:] {
		if binary.NativeEndian.Uint32(m) != 0 {
			continue
		}
		if inner, ok := t.composite(binary.NativeEndian.Uint32(m[4:])); ok {
			if off, ok := t.member(&inner, name, depth-1); ok {
				return place(m) + off, true
			}
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
	task, file, inode := &found{name: "task_struct", kind: btfStruct}, &found{name: "file", kind: btfStruct}, &found{name: "inode", kind: btfStruct}
	iterator := &found{name: "bpf_iter_task_file", kind: btfFunc}
	if err := t.find(task, file, inode, iterator); err != nil {
		return l, err
	}
	l.iterator = iterator.id
	for _, f := range []struct {
		of   *found
		name string
		off  *int16
	}{{task, "pid", &l.pid}, {task, "tgid", &l.tgid}, {task, "comm", &l.comm}, {file, "f_inode", &l.inode}, {inode, "i_ino", &l.ino}} {
		if *f.off, err = t.offset(f.of, f.name); err != nil {
			return l, err
		}
	}
	return l, nil
}
