package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"

	"framescope/mptcpctl"
)

const (
	// maxState is how large a file of a state can be, in bytes: there are eight
	// endpoints at most.
	maxState = 64 << 10
	// maxNesting bounds lists in lists, of which the YAML parser takes its time and
	// memory squared.
	maxNesting = 32
)

func (f *mptcpFlags) readState(file string) (s mptcpctl.State, err error) {
	if file == "" {
		return s, hinted{errors.New("mptcp apply: no file is named"), "try: framescope mptcp apply -f FILE"}
	}
	var in io.Reader = f.std.in
	if file != "-" {
		open, err := os.Open(file)
		if err != nil {
			return s, err
		}
		defer open.Close()
		in = open
	}
	b, err := io.ReadAll(io.LimitReader(in, maxState+1))
	if err != nil {
		return s, fmt.Errorf("%s: %w", file, err)
	}
	if len(b) > maxState {
		return s, fmt.Errorf("%s: it has more than %d bytes", file, maxState)
	}
	decode := decodeYAML
	if t := bytes.TrimLeft(b, " \t\r\n"); len(t) > 0 && t[0] == '{' {
		// JSON may be indented with tabs, YAML not.
		decode = decodeJSON
	}
	if err := decode(b, &s); err != nil {
		return s, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

func decodeJSON(b []byte, s *mptcpctl.State) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var file struct {
		Endpoints []mptcpctl.Endpoint    `json:"endpoints"`
		Limits    *mptcpctl.LimitsChange `json:"limits"`
		Sysctls   map[string]jsonSetting `json:"sysctls"`
	}
	if err := d.Decode(&file); err != nil {
		return jsonError(b, d.InputOffset(), err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("offset %d: there is more behind the end", d.InputOffset())
	}
	if err := jsonKeys(json.NewDecoder(bytes.NewReader(b))); err != nil {
		return err
	}
	s.Endpoints, s.Limits = file.Endpoints, file.Limits
	if file.Sysctls != nil {
		s.Sysctls = make(map[string]string, len(file.Sysctls))
	}
	for name, v := range file.Sysctls {
		s.Sysctls[name] = string(v)
	}
	return nil
}

// A jsonSetting is the value of a sysctl: a text or a number.
type jsonSetting string

func (v *jsonSetting) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && (b[0] == '-' || b[0] >= '0' && b[0] <= '9') {
		*v = jsonSetting(b)
		return nil
	}
	if len(b) == 0 || b[0] != '"' {
		return fmt.Errorf("sysctls: expected a text or a number, found %s", b)
	}
	return json.Unmarshal(b, (*string)(v))
}

// jsonKeys refuses what encoding/json lets pass in a text that it has read: keys
// that are there twice, and those that only nearly are the names of fields.
func jsonKeys(d *json.Decoder) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	open, _ := t.(json.Delim)
	seen := map[string]bool{}
	for (open == '{' || open == '[') && d.More() {
		if open == '{' {
			t, err := d.Token()
			if err != nil {
				return err
			}
			key, _ := t.(string)
			switch {
			case strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789_") != "":
				return fmt.Errorf("offset %d: unknown field %q", d.InputOffset(), key)
			case seen[key]:
				return fmt.Errorf("offset %d: %q is there twice", d.InputOffset(), key)
			}
			seen[key] = true
		}
		if err := jsonKeys(d); err != nil {
			return err
		}
	}
	if open != 0 {
		_, err = d.Token()
	}
	return err
}

// jsonError says where the file is wrong, and how in the words of the file.
func jsonError(b []byte, offset int64, err error) error {
	var typ *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	text := strings.Replace(err.Error(), "json: ", "", 1)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		offset, text = int64(len(b)), "it ends too early"
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &typ):
		want := "a text"
		switch typ.Type.Kind() {
		case reflect.Bool:
			want = "true or false"
		case reflect.Slice, reflect.Array:
			want = "a list"
		case reflect.Map, reflect.Struct:
			want = "an object"
		case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
			want = "a number that is not negative"
		}
		at := typ.Field
		if at == "" {
			at = "the file"
		}
		text = fmt.Sprintf("%s: expected %s, found %s", at, want, typ.Value)
	}
	head := b[:max(0, min(offset, int64(len(b))))]
	line := 1 + bytes.Count(head, []byte{'\n'})
	return fmt.Errorf("line %d, column %d: %s", line, max(1, len(head)-1-bytes.LastIndexByte(head, '\n')), text)
}

// decodeYAML reads one document; keys that are not known are errors.
func decodeYAML(b []byte, s *mptcpctl.State) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it is no YAML that can be read: %v", p)
		}
	}()
	if nesting(b) > maxNesting {
		return fmt.Errorf("it has more than %d lists in lists", maxNesting)
	}
	d := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict())
	if err := d.Decode(s); err != nil {
		if err == io.EOF {
			return errors.New("it is empty")
		}
		return yamlError(err)
	}
	// Into nothing: what refers to itself is not unfolded.
	if err := d.Decode(&struct{}{}); err != io.EOF {
		return errors.New("there is more than one document")
	}
	return nil
}

// nesting is how deep lists and maps can lie in one another at most, as far as
// that takes no line each.
func nesting(b []byte) (most int) {
	depth, dashes, begun := 0, 0, false
	for _, c := range b {
		switch c {
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		}
		switch {
		case c == '\n':
			dashes, begun = 0, false
		case c == '-' && !begun:
			dashes++
		case c != ' ' && c != '\t':
			begun = true
		}
		most = max(most, depth, dashes)
	}
	return most
}

// yamlError says where the file is wrong first, and then how.
func yamlError(err error) error {
	var y yaml.Error
	if !errors.As(err, &y) || y.GetToken() == nil || y.GetToken().Position == nil {
		return err
	}
	p := y.GetToken().Position
	return fmt.Errorf("line %d, column %d: %s", p.Line, p.Column, strings.TrimSpace(y.GetMessage()))
}
