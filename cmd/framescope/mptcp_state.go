package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
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
	if err := d.Decode(s); err != nil {
		return fmt.Errorf("offset %d: %w", d.InputOffset(), err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("offset %d: there is more behind the end", d.InputOffset())
	}
	return nil
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
