package websocket

import (
	"fmt"
	"testing"

	"framescope/decode"
)

func control(op Opcode, payload string, time int64) *Frame {
	return &Frame{
		Header:   Header{Fin: true, Opcode: op, Length: int64(len(payload))},
		Captured: int64(len(payload)), Payload: []byte(payload),
		First: decode.Origin{Time: time}, Last: decode.Origin{Time: time},
	}
}

func TestPings(t *testing.T) {
	type step struct {
		from    Role
		op      Opcode
		payload string
		time    int64
		rtt     int64 // -1: answers nothing
	}
	for name, steps := range map[string][]step{
		"one":          {{Client, Ping, "a", 10, -1}, {Server, Pong, "a", 15, 5}},
		"both ways":    {{Client, Ping, "a", 10, -1}, {Server, Ping, "a", 11, -1}, {Client, Pong, "a", 20, 9}, {Server, Pong, "a", 30, 20}},
		"unsolicited":  {{Server, Pong, "a", 15, -1}, {Client, Ping, "a", 20, -1}, {Client, Pong, "a", 25, -1}},
		"other":        {{Client, Ping, "a", 10, -1}, {Server, Pong, "b", 15, -1}, {Server, Pong, "a", 16, 6}},
		"latest first": {{Client, Ping, "", 10, -1}, {Client, Ping, "", 20, -1}, {Server, Pong, "", 25, 5}, {Server, Pong, "", 26, -1}},
		"once":         {{Client, Ping, "a", 10, -1}, {Server, Pong, "a", 15, 5}, {Server, Pong, "a", 16, -1}},
		"latest only":  {{Client, Ping, "a", 10, -1}, {Client, Ping, "b", 20, -1}, {Server, Pong, "b", 25, 5}, {Server, Pong, "a", 26, -1}},
		"in order":     {{Client, Ping, "a", 10, -1}, {Client, Ping, "b", 20, -1}, {Server, Pong, "a", 25, 15}, {Server, Pong, "b", 26, 6}},
		"no role":      {{UnknownRole, Ping, "a", 10, -1}, {UnknownRole, Pong, "a", 15, -1}},
	} {
		var p Pings
		for i, s := range steps {
			rtt, ok := p.Frame(s.from, control(s.op, s.payload, s.time))
			if ok != (s.rtt >= 0) || ok && rtt != s.rtt {
				t.Errorf("%s: step %d: %d %v, want %d", name, i, rtt, ok, s.rtt)
			}
		}
	}
	var p Pings
	for i := range 100 {
		p.Frame(Client, control(Ping, fmt.Sprint(i), int64(i)))
	}
	if _, ok := p.Frame(Server, control(Pong, "10", 200)); ok {
		t.Error("a ping from long ago is remembered")
	}
	if rtt, ok := p.Frame(Server, control(Pong, "90", 200)); !ok || rtt != 110 {
		t.Errorf("%d %v", rtt, ok)
	}
	cut := control(Ping, "cut", 1)
	cut.Captured = 1
	if p.Frame(Client, cut); p.sent[Client].n != 9 {
		t.Errorf("%d pings, want 9", p.sent[Client].n)
	}
}
