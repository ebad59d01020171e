package flow_test

import (
	"encoding/json"
	"errors"
	"io"
	"testing"

	"framescope/capture/capturetest"
	"framescope/capture/pcapfile"
	"framescope/decode/flow"
	"framescope/decode/record"
)

// result is what the engine said of a capture, in the order of its output.
type result struct {
	records []map[string]any
	summary record.Summary
}

type encoder struct{ o record.Options }

func (e *encoder) Encode(dst []byte, r record.Record) []byte {
	return record.AppendJSON(dst, r, &e.o)
}

// decode runs packets through an engine.
func decode(t testing.TB, packets []pcapfile.Packet, change func(*flow.Config)) *result {
	t.Helper()
	var res result
	cfg := flow.Config{
		File: "test", Want: record.All &^ record.Of(record.TypePacket), Digest: true, Full: true, Lasting: true,
		Encoder: func() flow.Encoder { return new(encoder) },
		Output: func(it *flow.Item) error {
			var m map[string]any
			if err := json.Unmarshal(it.Data, &m); err != nil {
				t.Errorf("%v: %s", err, it.Data)
			}
			res.records = append(res.records, m)
			return nil
		},
	}
	if change != nil {
		change(&cfg)
	}
	res.summary = *feed(t, packets, cfg)
	return &res
}

// feed runs packets through an engine, in jobs of a thousand.
func feed(t testing.TB, packets []pcapfile.Packet, cfg flow.Config) *record.Summary {
	t.Helper()
	e := flow.New(cfg)
	for i := range packets {
		e.Packet((*flow.Packet)(&packets[i]))
		if i%1000 == 999 {
			e.Flush(nil)
		}
	}
	sum, err := e.Close(false)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// load reads a capture; a file that is cut gives what precedes the cut.
func load(t testing.TB, path string) []pcapfile.Packet {
	t.Helper()
	ps, err := capturetest.ReadAll(path)
	if err != nil && !errors.Is(err, pcapfile.ErrTruncated) && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return ps
}

// get returns the field of a record with a dotted name, nil if it is not there.
func get(m map[string]any, path ...string) any {
	for i, k := range path {
		if i == len(path)-1 {
			return m[k]
		}
		m, _ = m[k].(map[string]any)
	}
	return nil
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func number(v any) int64 {
	n, _ := v.(float64)
	return int64(n)
}

// of returns the records of a type, those of one connection if conn is not "".
func (r *result) of(typ, conn string) (out []map[string]any) {
	for _, m := range r.records {
		if m["type"] == typ && (conn == "" || m["conn"] == conn) {
			out = append(out, m)
		}
	}
	return out
}
