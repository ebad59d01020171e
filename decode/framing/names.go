package framing

import "slices"

// FieldNames returns the names of the fields that frames may have, each once in
// the order of the declaration. open says that frames may have others, too: those
// of lines of text, and those of framings that are built in as code.
func (f *Framing) FieldNames() (names []string, open bool) {
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for i := range f.variants {
		v := &f.variants[i]
		for _, fields := range [][]field{v.fields, v.payload.fields, v.trailer} {
			for j := range fields {
				fields[j].each(add)
				open = open || fields[j].kind == kindHeaders
			}
		}
		if v.align > 1 {
			add("padding")
		}
	}
	return names, open || f.native != nil
}

// each calls add with the names under which f is shown.
func (f *field) each(add func(string)) {
	switch {
	case len(f.bits) > 0:
		for i := range f.bits {
			add(f.bits[i].name)
		}
	case f.kind == kindPrefix:
		add(f.name + " length")
	case f.kind == kindHeaders:
		return
	}
	add(f.name)
}
