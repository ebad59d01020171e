package flow_test

import (
	"fmt"
	"testing"

	"framescope/decode/flow"
	"framescope/decode/framing"
	"framescope/decode/record"
)

// Real sessions get the name of what they are, whatever their ports.
func TestIdentifyRecorded(t *testing.T) {
	for name, want := range map[string]string{
		"amqp": "amqp", "grpc": "grpc", "http1": "http", "http2": "http2", "mqtt": "mqtt", "tls": "tls", "zmtp": "zmtp",
		"transfer": "magic-length-crc32", "chunks": "", "search-big": "", "dns-tcp": "dns",
	} {
		for _, c := range decode(t, recording(t, name), nil).of("conn", "") {
			if got := text(get(c, "network", "protocol")); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
			if want == "tls" && fmt.Sprint(get(c, "tls", "client", "alpn")) != "[h2 http/1.1]" {
				t.Errorf("%s: %v", name, c["tls"])
			}
		}
	}
}

// counts is an Encoder that looks at the raw bytes of frames.
type counts struct{ t *testing.T }

func (e counts) Encode(dst []byte, r record.Record) []byte {
	f, ok := r.(*record.Declared)
	if !ok || f.Ended {
		return dst
	}
	at := f.Off
	for _, p := range f.Raw {
		if p.Off != at || p.Packet < f.First || p.Packet > f.Last {
			e.t.Errorf("a piece at %d of packet %d, want it at %d of %d to %d", p.Off, p.Packet, at, f.First, f.Last)
		}
		at += int64(len(p.Data))
	}
	if want := f.Off + int64(f.Size) + f.Length + int64(f.Trailer); at != want {
		e.t.Errorf("the raw bytes end at %d, want %d", at, want)
	}
	return dst
}

// Where they are asked for, records have the bytes of their frames, each from
// the packet it came in.
func TestRaw(t *testing.T) {
	for file, port := range map[string]uint16{"amqp": 5672, "mqtt": 1883} {
		n := feedRaw(t, file, declare(t, port, file, framing.Options{}, framing.Either))
		if n == 0 {
			t.Errorf("%s: no frames", file)
		}
	}
}

func feedRaw(t *testing.T, file string, change func(*flow.Config)) int64 {
	cfg := flow.Config{
		Want: record.Of(record.TypeDeclared), Raw: 64 << 10, Preview: 100,
		Encoder: func() flow.Encoder { return counts{t} },
		Output:  func(*flow.Item) error { return nil },
	}
	change(&cfg)
	return feed(t, recording(t, file), cfg).Declared
}
