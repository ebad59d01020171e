package taskfile

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// A builder makes types.
type builder struct {
	section, strings []byte
	names            map[string]uint32
}

func (b *builder) name(s string) uint32 {
	if s == "" {
		return 0
	}
	if b.names == nil {
		b.names, b.strings = map[string]uint32{}, []byte{0}
	}
	if at, ok := b.names[s]; ok {
		return at
	}
	b.names[s] = uint32(len(b.strings))
	b.strings = append(append(b.strings, s...), 0)
	return b.names[s]
}

func (b *builder) add(name string, info uint32, body ...uint32) {
	for _, v := range append([]uint32{b.name(name), info, 0}, body...) {
		b.section = binary.NativeEndian.AppendUint32(b.section, v)
	}
}

// a field of a structure: its name, type, and offset in bits
type field struct {
	name    string
	typ, at uint32
}

func (b *builder) structure(name string, kind uint32, bits bool, fields ...field) {
	info := kind<<24 | uint32(len(fields))
	if bits {
		info |= 1 << 31
	}
	var body []uint32
	for _, f := range fields {
		body = append(body, b.name(f.name), f.typ, f.at)
	}
	b.add(name, info, body...)
}

func (b *builder) bytes() []byte {
	h := binary.NativeEndian.AppendUint16(nil, 0xeb9f)
	h = append(h, 1, 0)
	for _, v := range []int{btfHeader, 0, len(b.section), len(b.section), len(b.strings)} {
		h = binary.NativeEndian.AppendUint32(h, uint32(v))
	}
	return append(append(h, b.section...), b.strings...)
}

// sample has one type of each kind, and what is looked for: shuffled as by
// CONFIG_RANDSTRUCT, in structures without names.
func sample() *builder {
	b := &builder{}
	b.add("int", btfInt<<24, 32)                                                                                // 1
	b.add("", 2<<24)                                                                                            // 2, pointer
	b.add("", btfArray<<24, 1, 1, 16)                                                                           // 3
	b.add("file", 8<<24)                                                                                        // 4, typedef of the same name
	b.add("e", btfEnum<<24|2, b.name("a"), 1, 0, 2)                                                             // 5
	b.add("", btfFuncProto<<24|1, 0, 1)                                                                         // 6
	b.add("v", btfVar<<24, 1)                                                                                   // 7
	b.add("d", btfDatasec<<24|1, 7, 0, 4)                                                                       // 8
	b.add("f", 16<<24)                                                                                          // 9, float
	b.add("t", btfDeclTag<<24, 0)                                                                               // 10
	b.add("g", 18<<24)                                                                                          // 11
	b.add("", btfEnum64<<24|1, b.name("b"), 1, 0)                                                               // 12
	b.add("bpf_iter_task_file", 7<<24)                                                                          // 13, declared only
	b.structure("", btfUnion, false, field{"x", 1, 0}, field{"comm", 3, 64})                                    // 14
	b.structure("", btfStruct, true, field{"y", 1, 8 << 24}, field{"", 14, 128}, field{"tgid", 1, 32<<24 | 32}) // 15
	b.structure("task_struct", btfStruct, true, field{"pid", 1, 0}, field{"", 1, 0}, field{"", 15, 64})         // 16
	b.structure("file", btfStruct, false, field{"f_inode", 2, 32 * 8})                                          // 17
	b.structure("inode", btfStruct, false, field{"i_mode", 1, 0}, field{"i_ino", 1, 64 * 8})                    // 18
	b.add("bpf_iter_task_file", btfFunc<<24|1)                                                                  // 19
	return b
}

func TestLayout(t *testing.T) {
	got, err := readLayout(sample().bytes())
	if err != nil {
		t.Fatal(err)
	}
	if want := (layout{pid: 0, tgid: 12, comm: 32, inode: 32, ino: 64, iterator: 19}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// What is missing or damaged is an error.
func TestLayoutErrors(t *testing.T) {
	whole := sample().bytes()
	for n := range whole {
		if _, err := readLayout(whole[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes are enough", n, len(whole))
		}
	}
	for _, name := range []string{"task_struct", "pid", "tgid", "comm", "file", "f_inode", "inode", "i_ino", "bpf_iter_task_file"} {
		b := []byte(strings.ReplaceAll(string(whole), "\x00"+name+"\x00", "\x00"+strings.Repeat("z", len(name))+"\x00"))
		if _, err := readLayout(b); !errors.Is(err, ErrNotSupported) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	b := sample()
	b.section = append([]byte{0, 0, 0, 0, 0, 0, 0, 31}, append(make([]byte, 4), b.section...)...)
	if _, err := readLayout(b.bytes()); err == nil || !strings.Contains(err.Error(), "a type that is not known") {
		t.Errorf("a kind of the future: %v", err)
	}
	// A structure that contains itself, many times over.
	loop := &builder{}
	fields := make([]field, 2000)
	for i := range fields {
		fields[i] = field{"", 1, 0}
	}
	loop.structure("task_struct", btfStruct, false, fields...)
	loop.structure("file", btfStruct, false)
	loop.structure("inode", btfStruct, false)
	loop.add("bpf_iter_task_file", btfFunc<<24)
	if _, err := readLayout(loop.bytes()); !errors.Is(err, ErrNotSupported) {
		t.Errorf("a loop: %v", err)
	}
}

// FuzzLayout: any bytes give offsets or an error.
func FuzzLayout(f *testing.F) {
	f.Add(sample().bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, err := readLayout(b); err == nil && (l.tgid < 0 || l.comm < 0 || l.inode < 0 || l.ino < 0 || l.iterator == 0) {
			t.Errorf("%+v", l)
		}
	})
}
