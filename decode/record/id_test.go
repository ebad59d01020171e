package record_test

import (
	"testing"

	"framescope/decode/record"
)

func TestID(t *testing.T) {
	for id, want := range map[int64]string{1: "C1", 12345: "C12345", record.FirstUDP + 1: "U1", record.FirstGroup + 70000: "G70000"} {
		got := string(record.AppendID(nil, id))
		if back, ok := record.ParseID(got); got != want || !ok || back != id {
			t.Errorf("%d: %s, want %s; back it is %d", id, got, want, back)
		}
	}
	for s, want := range map[string]int64{"7": 7, "c7": 7, "u7": record.FirstUDP + 7, "g7": record.FirstGroup + 7} {
		if got, ok := record.ParseID(s); got != want || !ok {
			t.Errorf("%s: %d", s, got)
		}
	}
	for _, s := range []string{"", "C", "X1", "C1x", "U99999999999999999999"} {
		if id, ok := record.ParseID(s); ok {
			t.Errorf("%q: %d", s, id)
		}
	}
}
