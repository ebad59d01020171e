package main

import (
	"reflect"
	"strings"
	"testing"

	"framescope/decode/record"
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
	if len(fields) < 40 {
		t.Errorf("%d fields", len(fields))
	}
}
