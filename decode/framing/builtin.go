package framing

import (
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"
)

//go:embed builtin/*.yaml
var builtins embed.FS

// Names returns the framings that are built in, in alphabetical order.
func Names() []string {
	names := []string{"http1", "websocket"}
	files, _ := builtins.ReadDir("builtin") // it is embedded: it is there
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".yaml"))
	}
	slices.Sort(names)
	return names
}

// ErrUnknown is inside the error for a name that no framing has.
var ErrUnknown = errors.New("no such framing")

// Builtin returns the framing of that name, changed by the options. The error
// has ErrUnknown if there is none.
func Builtin(name string, o Options) (*Framing, error) {
	switch name {
	case "websocket", "http1":
		if o.Order != "" || o.HasMagic {
			return nil, fmt.Errorf("%s has neither a byte order nor a magic to choose", name)
		}
		if name == "http1" {
			return newHTTP1(o.Max), nil
		}
		return newWebSocket(o.Max), nil
	}
	if !validName(name) {
		return nil, fmt.Errorf("%w: %q", ErrUnknown, name)
	}
	src, err := builtins.ReadFile("builtin/" + name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("%w: %q", ErrUnknown, name)
	}
	f, err := Parse(src, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if o.HasMagic && len(f.magics) == 0 {
		return nil, fmt.Errorf("%s has no magic to choose", name)
	}
	return f, nil
}
