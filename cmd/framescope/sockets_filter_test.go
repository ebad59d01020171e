package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"framescope/decode/record"
	"framescope/probes/sockdiag"
	"framescope/probes/sockets"
)

// What a filter may name stands under that name in the JSON of a socket.
func TestSocketFields(t *testing.T) {
	names := map[string]bool{}
	var walk func(prefix string, typ reflect.Type)
	walk = func(prefix string, typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || strings.Count(prefix, ".") > 2 {
			return
		}
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			names[prefix+name] = true
			if name != "other_end" && name != "subflows" {
				walk(prefix+name+".", typ.Field(i).Type)
			}
		}
	}
	walk("", reflect.TypeFor[socketRecord]())
	fields := record.Fields(record.TypeSocket)
	for _, f := range fields {
		for _, f := range append([]record.Field{f}, f.Sub...) {
			if !names[f.Name] {
				t.Errorf("%s is not in the JSON of a socket", f.Name)
			}
		}
	}
	b, _ := record.Lookup("socket.state")
	for state := sockdiag.Established; state <= sockdiag.NewSynRecv; state++ {
		for _, k := range sockets.AllKinds() {
			if name := stateName(&sockets.Row{Kind: k, State: state}); !slices.Contains(b.Words(), name) {
				t.Errorf("a filter does not know the state %s", name)
			}
		}
	}
	if len(fields) < 40 {
		t.Errorf("%d fields", len(fields))
	}
}
