package record

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// A Kind is the kind of value that a field has.
type Kind uint8

// The kinds of values, and the getter of Field that gives them.
const (
	KindString   Kind = iota // text from the network or a word; Str
	KindInt                  // a number; Int
	KindBool                 // Int: 0 or 1
	KindDuration             // Int: nanoseconds; written in milliseconds
	KindTime                 // Int: nanoseconds since 1970 UTC; written in RFC 3339
	KindConn                 // Int: the ID of a connection; written C1, U1, G1
	KindIP                   // an address; IP
	KindHex                  // bytes that are written in hex; Bytes
	KindPayload              // bytes that are text if Int says 1, else written in hex; Bytes
	KindPairs                // names and values in turn; Str
	KindObjects              // objects, whose fields Sub lists; only JSON knows them
	KindEither               // a number or a text, or both: Int and Str; only filters know it
)

var kindNames = [...]string{
	"string", "int", "bool", "ms", "time", "conn", "ip", "hex", "payload", "pairs", "objects", "int or string",
}

// String returns the kind's name in the documentation, such as "int".
func (k Kind) String() string { return kindNames[k] }

// A Field is one field of one type of record: its name, what it means, and how
// to read it. Fields are shared and not to be changed.
type Field struct {
	// Name is the dotted name, such as "websocket.opcode". In JSON every dot is
	// a level.
	Name string
	Kind Kind
	// Many is set when the field may have any number of values: Len says how
	// many there are to ask for.
	Many bool
	// Derived is set for what other fields hold already, such as the addresses
	// of a frame's connection: filters and CSV know it, JSON leaves it out.
	Derived bool
	// FilterOnly is set for what CSV leaves out, too.
	FilterOnly bool
	// Null is set when JSON says null for an unknown value instead of leaving
	// the field out.
	Null bool
	// Doc says in one sentence what the field is, with its unit.
	Doc string
	// Words are all the values of a KindString field that has only so many.
	Words []string
	// Numbered is set when a protocol writes numbers for the Words: 0 for the
	// first.
	Numbered bool
	// Sub are the fields of the objects of a KindObjects field.
	Sub []Field

	num func(r Record, i int) (int64, bool)
	str func(r Record, i int) (string, bool)
	raw func(r Record) ([]byte, bool)
	ip  func(r Record) (netip.Addr, bool)
	len func(r Record) int // of a field with Many
	// has says whether a list is there, be it empty; nil means always.
	has func(r Record) bool
	// head marks what AppendJSON writes for all types in one go.
	head bool
}

// Len returns how many values to ask the getters for, by their number from 0.
// It is 1 for a field without Many. Some of the values may be absent.
func (f *Field) Len(r Record) int {
	if f.len == nil {
		return 1
	}
	return f.len(r)
}

// Int returns value number i of a field of a numeric kind, and false when it is
// absent. The record must be of the field's type and i less than Len, as for
// all getters.
func (f *Field) Int(r Record, i int) (int64, bool) {
	if f.num == nil {
		return 0, false
	}
	return f.num(r, i)
}

// Str returns value number i of a KindString or KindPairs field.
func (f *Field) Str(r Record, i int) (string, bool) {
	if f.str == nil {
		return "", false
	}
	return f.str(r, i)
}

// Bytes returns the value of a KindHex or KindPayload field. It aliases the
// record.
func (f *Field) Bytes(r Record) ([]byte, bool) {
	if f.raw == nil {
		return nil, false
	}
	return f.raw(r)
}

// IP returns the value of a KindIP field.
func (f *Field) IP(r Record) (netip.Addr, bool) {
	if f.ip == nil {
		return netip.Addr{}, false
	}
	return f.ip(r)
}

// Has reports whether r has a value of the field.
func (f *Field) Has(r Record) bool {
	for i := range f.Len(r) {
		var ok bool
		switch {
		case f.ip != nil:
			_, ok = f.ip(r)
		case f.raw != nil:
			_, ok = f.raw(r)
		case f.str != nil:
			_, ok = f.str(r, i)
		case f.num != nil:
			_, ok = f.num(r, i)
		}
		if ok {
			return true
		}
	}
	return false
}

// Fields returns the fields of a type in the order in which they are written.
// The slice is shared and not to be changed.
func Fields(t Type) []Field { return registry()[t] }

// ByType holds a field of one name for every type of record, nil where a type
// has no such field. The kind is the same for all.
type ByType [Types]*Field

// Types returns the set of types that have the field.
func (b *ByType) Types() (s Set) {
	for t, f := range b {
		if f != nil {
			s |= 1 << t
		}
	}
	return s
}

// Kind returns the kind of the field. At least one type must have it.
func (b *ByType) Kind() Kind { return b.Any().Kind }

// Words returns all values that the field has in any type; nil if it has any value
// in one of them.
func (b *ByType) Words() (all []string) {
	for _, f := range b {
		switch {
		case f == nil:
		case f.Words == nil:
			return nil
		case all == nil:
			all = f.Words
		case len(f.Words) > 0 && &f.Words[0] != &all[0]:
			for _, w := range f.Words {
				if !slices.Contains(all, w) {
					all = append(slices.Clip(all), w)
				}
			}
		}
	}
	return all
}

// Any returns the field of the first type that has it, or nil.
func (b *ByType) Any() *Field {
	for _, f := range b {
		if f != nil {
			return f
		}
	}
	return nil
}

// Lookup returns the fields named name. One header field of a request or
// response has a name, too: "http.request.headers.origin"; so has one field of a
// frame: "frame.field.topic". It returns false
// when no type has such a field; aliases are not resolved.
func Lookup(name string) (b ByType, ok bool) {
	all := index()
	if b, ok = all[name]; ok {
		return b, true
	}
	if len(name) > len(fieldValues) && strings.HasPrefix(name, fieldValues) {
		b[TypeDeclared] = frameValue(name)
		return b, true
	}
	for _, prefix := range []string{requestHeaders, responseHeaders} {
		header, yes := strings.CutPrefix(name, prefix)
		if !yes || header == "" {
			continue
		}
		for t, pairs := range all[strings.TrimSuffix(prefix, ".")] {
			if pairs != nil {
				b[t], ok = headerField(pairs, name, header), true
			}
		}
	}
	return b, ok
}

// index holds all fields by name.
var index = sync.OnceValue(func() map[string]ByType {
	all := map[string]ByType{}
	for t := range registry() {
		add := func(f *Field) {
			b := all[f.Name]
			b[t] = f
			all[f.Name] = b
		}
		for i := range registry()[t] {
			f := &registry()[t][i]
			if f.Kind != KindObjects {
				add(f)
			}
			for j := range f.Sub {
				add(&f.Sub[j])
			}
		}
	}
	return all
})

// headerField returns the field that picks the values of one header out of
// pairs. Header names have no case.
func headerField(pairs *Field, name, header string) *Field {
	return &Field{
		Name: name, Kind: KindString, Many: true, Derived: true,
		Doc: "Values of the header field " + header + ".",
		len: func(r Record) int { return pairs.len(r) / 2 },
		str: func(r Record, i int) (string, bool) {
			if n, ok := pairs.str(r, 2*i); !ok || !strings.EqualFold(n, header) {
				return "", false
			}
			return pairs.str(r, 2*i+1)
		},
	}
}

// Names returns the names of all fields of the types of s, each once, in the
// order of the registry.
func Names(s Set) []string {
	var names []string
	seen := map[string]bool{}
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	for t := range registry() {
		if !s.Has(Type(t)) {
			continue
		}
		for i := range registry()[t] {
			f := &registry()[t][i]
			if f.Kind != KindObjects {
				add(f.Name)
			}
			for j := range f.Sub {
				add(f.Sub[j].Name)
			}
		}
	}
	return names
}
