package main

import (
	"slices"
	"strconv"
	"strings"

	"framescope/decode/filter"
	"framescope/decode/flow"
	"framescope/decode/record"
)

// checkDeclared refuses a filter that asks for a field of a frame which no framing
// of the command line has. expr is what was written behind flag.
func checkDeclared(flag, expr string, match *filter.Filter, framings []flow.Framing) error {
	var all []string
	open := false
	for _, f := range framings {
		names, more := f.Framing.FieldNames()
		all, open = append(all, names...), open || more
	}
	for _, name := range match.Fields() {
		field, ok := record.DeclaredField(name)
		if !ok || open || slices.ContainsFunc(all, func(n string) bool { return record.SameField(n, field) }) {
			continue
		}
		e := &filter.Error{Expr: expr, Off: max(strings.Index(strings.ToLower(expr), name), 0), Len: len(name)}
		if len(framings) == 0 {
			e.Msg, e.Hint = name+" is a field of a declared framing, and there is none", "say which port has one: --framing NAME:PORT"
			return marked(flag, e)
		}
		e.Msg = "no framing here has a field " + strconv.Quote(field)
		var written []string
		for _, n := range all {
			if w := strings.ReplaceAll(n, " ", "_"); !slices.Contains(written, w) {
				written = append(written, w)
			}
		}
		if near := filter.Nearest(strings.ReplaceAll(strings.ReplaceAll(field, "-", "_"), " ", "_"), written); near != "" {
			e.Hint = "did you mean frame.field." + near + "? "
		}
		if len(written) > 20 {
			written = append(written[:20:20], "...")
		}
		e.Hint += "there are: " + strings.Join(written, ", ")
		return marked(flag, e)
	}
	return nil
}
