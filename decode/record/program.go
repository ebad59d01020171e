package record

import (
	"strings"
	"sync"
)

// A node is a field or a group of fields of a JSON object. Every member is
// written with a comma behind it; the end of the object takes the place of the
// last one.
type node struct {
	name  string  // in quotes
	key   literal // name and colon
	op    op
	field *Field // nil for a group
	kids  []node // of a group, or of the objects in a list
	// yes and no are key and value of a bool.
	yes, no literal
}

// A literal is a short string that is appended in one step of fixed size.
type literal struct {
	text [40]byte
	size int
}

func lit(s string) (l literal) {
	l.size = copy(l.text[:], s)
	return l
}

func (l *literal) append(dst []byte) []byte {
	n := len(dst) + l.size
	return append(dst, l.text[:]...)[:n]
}

// An op is how a node is written.
type op uint8

const (
	opGroup op = iota
	opInt
	opBool
	opWord // a string that needs no escaping
	opString
	opStrings
	opPairs
	opObjects
	opDuration
	opTime
	opIP
	opHex
	opPayload
	opMore // says that the payload goes on, or was cut just now
)

// programs hold for each type what AppendJSON writes after the head.
var programs = sync.OnceValue(func() *[Types][]node {
	var all [Types][]node
	for t := range all {
		all[t] = compile(registry()[t], "", false)
	}
	return &all
})

// compile builds the tree of the fields below prefix. In the objects of a list
// each field has the one value that belongs to the object.
func compile(fields []Field, prefix string, object bool) (nodes []node) {
	for i := 0; i < len(fields); {
		f := &fields[i]
		name := strings.TrimPrefix(f.Name, prefix)
		group, _, nested := strings.Cut(name, ".")
		switch {
		case f.head || f.Derived:
			i++
		case nested: // a group
			end := i
			for end < len(fields) && strings.HasPrefix(fields[end].Name, prefix+group+".") {
				end++
			}
			if kids := compile(fields[i:end], prefix+group+".", object); kids != nil {
				nodes = append(nodes, node{key: lit(`"` + group + `":{`), op: opGroup, kids: kids})
			}
			i = end
		default:
			key := `"` + name + `":`
			nodes = append(nodes, node{
				name: key[:len(key)-1], key: lit(key), yes: lit(key + "true,"), no: lit(key + "false,"),
				op: operation(f, object), field: f, kids: compile(f.Sub, f.Name+".", true),
			})
			i++
		}
	}
	return nodes
}

func operation(f *Field, object bool) op {
	switch f.Kind {
	case KindInt:
		return opInt
	case KindBool:
		if strings.HasSuffix(f.Name, ".payload_more") {
			return opMore
		}
		return opBool
	case KindDuration:
		return opDuration
	case KindTime:
		return opTime
	case KindIP:
		return opIP
	case KindHex:
		return opHex
	case KindPayload:
		return opPayload
	case KindPairs:
		return opPairs
	case KindObjects:
		return opObjects
	}
	switch {
	case f.Many && !object:
		return opStrings
	case f.Numbered:
		return opWord
	}
	return opString
}
