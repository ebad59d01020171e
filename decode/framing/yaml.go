package framing

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// A SpecError says where a declared framing is wrong.
type SpecError struct {
	// Line and Column count from 1.
	Line, Column int
	// Text says what was found and what was expected.
	Text string
}

func (e *SpecError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Text)
}

// A node is a value of YAML with its place. Maps keep their order.
type node struct {
	line, column int
	text         string // of a scalar
	quoted       bool   // it was in quotes
	keys         []node
	values       []node // of a map or a list
	kind         byte   // 's' scalar, 'm' map, 'l' list, '0' nothing
}

func (n *node) fault(format string, args ...any) error {
	return &SpecError{n.line, n.column, fmt.Sprintf(format, args...)}
}

// what names the node in an error.
func (n *node) what() string {
	switch n.kind {
	case 'm':
		return "a map"
	case 'l':
		return "a list"
	case '0':
		return "nothing"
	}
	return quoted([]byte(n.text))
}

// parseYAML reads one document without anchors, tags and other surprises.
func parseYAML(src []byte) (n node, err error) {
	if len(src) > maxSpec {
		return n, &SpecError{1, 1, fmt.Sprintf("the framing has %d bytes, expected at most %d", len(src), maxSpec)}
	}
	if line, column, ok := tooDeep(src); ok {
		return n, &SpecError{line, column, fmt.Sprintf("nested deeper than %d", maxNesting)}
	}
	defer func() { // the parser is not ours
		if r := recover(); r != nil {
			err = &SpecError{1, 1, "this is no YAML that can be read"}
		}
	}()
	file, err := parser.ParseBytes(src, 0)
	if err != nil {
		line, column := 1, 1
		text := err.Error()
		if e, ok := err.(yaml.Error); ok { //nolint:errorlint // it is not wrapped
			text = e.GetMessage()
			if t := e.GetToken(); t != nil && t.Position != nil {
				line, column = t.Position.Line, t.Position.Column
			}
		}
		return n, &SpecError{line, column, text}
	}
	if len(file.Docs) == 0 || len(file.Docs) == 1 && file.Docs[0].Body == nil {
		return n, &SpecError{1, 1, "found nothing, expected a framing"}
	}
	if len(file.Docs) > 1 {
		return n, &SpecError{1, 1, fmt.Sprintf("found %d documents, expected one framing", len(file.Docs))}
	}
	return convert(file.Docs[0].Body, 0)
}

// maxNesting bounds how deep maps and lists may be nested.
const maxNesting = 12

// tooDeep looks for brackets and indentation that would cost the parser its
// stack or its time.
func tooDeep(src []byte) (line, column int, deep bool) {
	depth, dashes := 0, 0
	line = 1
	start := 0
	indent := true
	for i, c := range src {
		switch c {
		case '\n':
			line, start, dashes, indent = line+1, i+1, 0, true
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(depth-1, 0)
		case '-', '?', ':':
			if indent {
				dashes++
			}
		case ' ':
		default:
			indent = false
		}
		if depth > 4*maxNesting || dashes > 4*maxNesting || indent && i-start > 40*maxNesting {
			return line, i - start + 1, true
		}
	}
	return 0, 0, false
}

func place(t *token.Token) node {
	if t == nil || t.Position == nil {
		return node{line: 1, column: 1}
	}
	return node{line: t.Position.Line, column: t.Position.Column}
}

func convert(a ast.Node, depth int) (n node, err error) {
	n = place(a.GetToken())
	if depth > maxNesting {
		return n, n.fault("nested deeper than %d", maxNesting)
	}
	var pairs []*ast.MappingValueNode
	switch a := a.(type) {
	case *ast.MappingNode:
		pairs = a.Values
		if len(pairs) > 0 {
			n.line, n.column = place(pairs[0].Key.GetToken()).line, place(pairs[0].Key.GetToken()).column
		}
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{a}
		n.line, n.column = place(a.Key.GetToken()).line, place(a.Key.GetToken()).column
	case *ast.SequenceNode:
		n.kind = 'l'
		for _, v := range a.Values {
			e, err := convert(v, depth+1)
			if err != nil {
				return n, err
			}
			n.values = append(n.values, e)
		}
		return n, nil
	case *ast.NullNode:
		n.kind = '0'
		return n, nil
	case *ast.StringNode:
		n.kind, n.text = 's', a.Value
		n.quoted = a.Token.Type == token.DoubleQuoteType || a.Token.Type == token.SingleQuoteType
		return n, nil
	case *ast.LiteralNode:
		n.kind, n.text, n.quoted = 's', a.Value.Value, true
		return n, nil
	case *ast.IntegerNode, *ast.BoolNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		n.kind, n.text = 's', a.GetToken().Value
		return n, nil
	default:
		return n, n.fault("found %s, expected a plain value, a map or a list", strings.ToLower(a.Type().String()))
	}
	n.kind = 'm'
	for _, p := range pairs {
		k, err := convert(p.Key, depth+1)
		if err != nil {
			return n, err
		}
		if k.kind != 's' {
			return n, k.fault("found %s, expected a name", k.what())
		}
		for _, other := range n.keys {
			if other.text == k.text {
				return n, k.fault("%q stands here for the second time; the first is in line %d", k.text, other.line)
			}
		}
		v, err := convert(p.Value, depth+1)
		if err != nil {
			return n, err
		}
		if v.kind == '0' {
			v.line, v.column = k.line, k.column
		}
		n.keys, n.values = append(n.keys, k), append(n.values, v)
	}
	return n, nil
}

// get returns the value of a map's key, or nil.
func (n *node) get(key string) *node {
	for i := range n.keys {
		if n.keys[i].text == key {
			return &n.values[i]
		}
	}
	return nil
}

// only checks that n is a map with no other keys.
func (n *node) only(what string, keys ...string) error {
	if n.kind != 'm' {
		return n.fault("found %s, expected %s: a map with %s", n.what(), what, oneOf(keys))
	}
	for i := range n.keys {
		k := &n.keys[i]
		known := false
		for _, name := range keys {
			known = known || k.text == name
		}
		if !known {
			return k.fault("found %q, expected one of: %s", k.text, oneOf(keys))
		}
	}
	return nil
}

func oneOf(keys []string) string {
	keys = append([]string(nil), keys...)
	sort.Strings(keys)
	return strings.Join(keys, ", ")
}

// str returns a text.
func (n *node) str(what string) (string, error) {
	if n.kind != 's' || n.text == "" {
		return "", n.fault("found %s, expected %s", n.what(), what)
	}
	return n.text, nil
}

// number returns an integer from min to max. Decimal, 0x, 0o and 0b are read,
// and the suffixes K, M and G.
func (n *node) number(what string, min, max uint64) (uint64, error) {
	text := strings.ReplaceAll(n.text, "_", "")
	shift := 0
	if n := len(text); n > 1 && !strings.HasPrefix(text, "0x") {
		switch text[n-1] {
		case 'K':
			shift = 10
		case 'M':
			shift = 20
		case 'G':
			shift = 30
		}
		if shift > 0 {
			text = text[:n-1]
		}
	}
	v, err := strconv.ParseUint(text, 0, 64)
	if n.kind != 's' || n.quoted || err != nil || v > math.MaxUint64>>shift || v<<shift < min || v<<shift > max {
		return 0, n.fault("found %s, expected %s: a number from %d to %d", n.what(), what, min, max)
	}
	return v << shift, nil
}

// signed returns an integer that may be negative.
func (n *node) signed(what string, max int64) (int64, error) {
	v, err := strconv.ParseInt(n.text, 0, 64)
	if n.kind != 's' || n.quoted || err != nil || v > max || v < -max {
		return 0, n.fault("found %s, expected %s: a number from %d to %d", n.what(), what, -max, max)
	}
	return v, nil
}

// boolean returns true or false.
func (n *node) boolean(what string) (bool, error) {
	if n.kind == 's' && !n.quoted {
		switch n.text {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
	}
	return false, n.fault("found %s, expected %s: true or false", n.what(), what)
}

// choice returns one of the words.
func (n *node) choice(what string, words ...string) (string, error) {
	for _, w := range words {
		if n.kind == 's' && n.text == w {
			return w, nil
		}
	}
	return "", n.fault("found %s, expected %s: one of %s", n.what(), what, strings.Join(words, ", "))
}
