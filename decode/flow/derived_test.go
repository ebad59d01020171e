package flow_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"framescope/capture/capturetest"
	"framescope/capture/pcapfile"
)

// recordings are the captures of working and broken sessions that reach frames
// and are complete.
func recordings(t testing.TB) map[string][]pcapfile.Packet {
	t.Helper()
	all := map[string][]pcapfile.Packet{}
	for _, dir := range []string{"ws", "oddities"} {
		files, err := os.ReadDir(capturetest.Testdata(t, dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			name := f.Name()
			switch {
			case !strings.Contains(name, ".pcap"), strings.HasPrefix(name, "x0"), strings.HasPrefix(name, "x1"),
				strings.Contains(name, "midstream"), strings.Contains(name, "lost"), strings.Contains(name, "bomb"):
				continue
			}
			all[dir+"/"+name] = load(t, capturetest.Testdata(t, dir, name))
		}
	}
	return all
}

// A session is what one direction of a connection came to.
type session struct {
	frames   []string
	messages []string
}

// sessions writes down frames and messages by connection and direction.
func (r *result) sessions() map[string]*session {
	names := map[string]string{}
	for _, c := range r.of("conn", "") {
		names[text(c["conn"])] = fmt.Sprintf("%v %v", c["source"].(map[string]any)["port"], c["destination"].(map[string]any)["port"])
	}
	all := map[string]*session{}
	at := func(m map[string]any) *session {
		k := names[text(m["conn"])] + " " + text(m["direction"])
		if all[k] == nil {
			all[k] = new(session)
		}
		return all[k]
	}
	for _, f := range r.of("ws_frame", "") {
		w := f["websocket"].(map[string]any)
		s := at(f)
		s.frames = append(s.frames, fmt.Sprint(w["opcode"], " ", w["fin"], " ", w["rsv"], " ", w["mask"], " ", w["bytes"]))
	}
	for _, m := range r.of("ws_message", "") {
		w := m["websocket"].(map[string]any)
		if w["complete"] == false {
			continue
		}
		s := at(m)
		s.messages = append(s.messages, fmt.Sprint(w["opcode"], " ", w["bytes"], " ", w["frames"], " ", w["sha256"]))
	}
	return all
}

// same checks that two captures of the same sessions came to the same.
func same(t *testing.T, base, got *result) {
	t.Helper()
	want := base.sessions()
	have := got.sessions()
	for k, w := range want {
		g := have[k]
		if g == nil {
			t.Errorf("%s: nothing", k)
		} else if !slices.Equal(g.frames, w.frames) || !slices.Equal(g.messages, w.messages) {
			t.Errorf("%s:\n got %v %v\nwant %v %v", k, g.frames, g.messages, w.frames, w.messages)
		}
	}
	for k, g := range have {
		if want[k] == nil {
			t.Errorf("%s: got %v %v, want nothing", k, g.frames, g.messages)
		}
	}
	if got.summary.Undecoded != base.summary.Undecoded {
		t.Errorf("%d bytes undecoded, want %d", got.summary.Undecoded, base.summary.Undecoded)
	}
}

// part checks that r has nothing that is not in base, and returns how many
// frames it has of how many.
func (r *result) part(t *testing.T, base *result) (have, of int) {
	t.Helper()
	want := base.sessions()
	for _, w := range want {
		of += len(w.frames)
	}
	for k, g := range r.sessions() {
		w := want[k]
		if w == nil {
			w = new(session)
		}
		have += len(g.frames)
		if !subsequence(g.frames, w.frames) {
			t.Errorf("%s frames:\n got %v\nwant some of %v", k, g.frames, w.frames)
		}
		if !subsequence(g.messages, w.messages) {
			t.Errorf("%s messages:\n got %v\nwant some of %v", k, g.messages, w.messages)
		}
	}
	return have, of
}

func subsequence(part, whole []string) bool {
	for _, p := range part {
		i := slices.Index(whole, p)
		if i < 0 {
			return false
		}
		whole = whole[i+1:]
	}
	return true
}

// number gives packets new numbers and, unless they have them, new times.
func renumber(ps []pcapfile.Packet) []pcapfile.Packet {
	out := slices.Clone(ps)
	for i := range out {
		out[i].Number = int64(i + 1)
	}
	return out
}

// tcpOf returns the TCP header and payload of an Ethernet and IPv4 packet, nil
// for another one. The result aliases the packet.
func tcpOf(p *pcapfile.Packet) []byte {
	b := p.Data
	if p.Link != 1 || len(b) < 34 || b[12] != 8 || b[13] != 0 || b[23] != 6 {
		return nil
	}
	ip := b[14:]
	n := int(ip[0]&15) * 4
	total := int(binary.BigEndian.Uint16(ip[2:]))
	if total > len(ip) || n+20 > total {
		return nil
	}
	return ip[n:total]
}

// payloadOf returns the payload in a segment that tcpOf returned.
func payloadOf(seg []byte) []byte { return seg[int(seg[12]>>4)*4:] }

// A derived test makes captures from recordings that must come to the same.
func TestDerivedSame(t *testing.T) {
	derivations := map[string]func(*rand.Rand, []pcapfile.Packet) []pcapfile.Packet{
		// The capture put packets into the wrong order, a few places off.
		"reordered": func(r *rand.Rand, ps []pcapfile.Packet) []pcapfile.Packet {
			at := make([]float64, len(ps))
			order := make([]int, len(ps))
			for i := range ps {
				order[i], at[i] = i, float64(i)+6*r.Float64()
			}
			slices.SortFunc(order, func(a, b int) int { return int(1e6 * (at[a] - at[b])) })
			out := make([]pcapfile.Packet, len(ps))
			for i, j := range order {
				out[i] = ps[j]
			}
			return renumber(out)
		},
		// Every packet was captured twice.
		"duplicated": func(r *rand.Rand, ps []pcapfile.Packet) []pcapfile.Packet {
			var out []pcapfile.Packet
			for _, p := range ps {
				out = append(out, p, p)
			}
			return renumber(out)
		},
		// Segments are sent again a little later, cut in other places.
		"overlapping": func(r *rand.Rand, ps []pcapfile.Packet) []pcapfile.Packet {
			var out, late []pcapfile.Packet
			for i := range ps {
				out = append(out, ps[i])
				if seg := tcpOf(&ps[i]); seg != nil && len(payloadOf(seg)) > 1 && seg[13]&7 == 0 {
					late = append(late, tail(ps[i], 1+r.IntN(len(payloadOf(seg))-1)))
				}
				if r.IntN(3) == 0 {
					out = append(out, late...)
					late = nil
				}
			}
			return renumber(append(out, late...))
		},
		// The sequence numbers wrap inside the session.
		"wrapping": func(r *rand.Rand, ps []pcapfile.Packet) []pcapfile.Packet {
			return shifted(ps, func(isn uint32) uint32 { return -isn - 1 - uint32(r.IntN(200)) })
		},
		// All of it at once.
		"everything": func(r *rand.Rand, ps []pcapfile.Packet) []pcapfile.Packet {
			ps = shifted(ps, func(isn uint32) uint32 { return -isn - 100 })
			out := slices.Clone(ps)
			for i := 0; i+3 < len(out); i += 1 + r.IntN(5) {
				out[i], out[i+2] = out[i+2], out[i]
			}
			return renumber(append(out, out[len(out)/2:]...))
		},
	}
	for name, ps := range recordings(t) {
		base := decode(t, ps, nil)
		for how, derive := range derivations {
			t.Run(how+"/"+name, func(t *testing.T) {
				same(t, base, decode(t, derive(rand.New(rand.NewPCG(1, 2)), ps), nil))
			})
		}
	}
}

// tail returns a packet without the first n bytes of its payload.
func tail(p pcapfile.Packet, n int) pcapfile.Packet {
	seg := tcpOf(&p)
	at := len(p.Data) - len(payloadOf(seg)) // the captures have no trailers
	p.Data = slices.Delete(slices.Clone(p.Data), at, at+n)
	p.Wire -= uint32(n)
	ip := p.Data[14:]
	binary.BigEndian.PutUint16(ip[2:], binary.BigEndian.Uint16(ip[2:])-uint16(n))
	seg = tcpOf(&p)
	binary.BigEndian.PutUint32(seg[4:], binary.BigEndian.Uint32(seg[4:])+uint32(n))
	return p
}

// shifted moves the sequence numbers of each direction by what by says of its
// initial one.
func shifted(ps []pcapfile.Packet, by func(isn uint32) uint32) []pcapfile.Packet {
	type direction struct{ src, dst string }
	shift := map[direction]uint32{}
	out := slices.Clone(ps)
	for i := range out {
		out[i].Data = slices.Clone(out[i].Data)
		seg := tcpOf(&out[i])
		if seg == nil {
			continue
		}
		ip := out[i].Data[14:]
		d := direction{fmt.Sprint(ip[12:16], seg[:2]), fmt.Sprint(ip[16:20], seg[2:4])}
		back := direction{d.dst, d.src}
		seq, ack := binary.BigEndian.Uint32(seg[4:]), binary.BigEndian.Uint32(seg[8:])
		if _, ok := shift[d]; !ok {
			shift[d] = by(seq)
		}
		if _, ok := shift[back]; !ok && seg[13]&16 != 0 {
			shift[back] = by(ack - 1)
		}
		binary.BigEndian.PutUint32(seg[4:], seq+shift[d])
		if seg[13]&16 != 0 {
			binary.BigEndian.PutUint32(seg[8:], ack+shift[back])
		}
	}
	return out
}

// Two captures in one file.
func TestDerivedMerged(t *testing.T) {
	all := recordings(t)
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	r := rand.New(rand.NewPCG(3, 4))
	for range 60 {
		a, b := names[r.IntN(len(names))], names[r.IntN(len(names))]
		if a == b || strings.HasPrefix(a, "oddities/") && strings.HasPrefix(b, "oddities/") {
			continue // the oddities use the same ports
		}
		t.Run(strings.ReplaceAll(a+"+"+b, "/", "_"), func(t *testing.T) {
			var merged []pcapfile.Packet
			for p, q := all[a], all[b]; len(p)+len(q) > 0; {
				if len(q) == 0 || len(p) > 0 && r.IntN(2) == 0 {
					p[0].Time, merged, p = int64(len(merged))*1e5, append(merged, p[0]), p[1:]
				} else {
					q[0].Time, merged, q = int64(len(merged))*1e5, append(merged, q[0]), q[1:]
				}
			}
			got := decode(t, renumber(merged), nil).sessions()
			for _, name := range []string{a, b} {
				for k, w := range decode(t, all[name], nil).sessions() {
					if g := got[k]; g == nil || !slices.Equal(g.frames, w.frames) || !slices.Equal(g.messages, w.messages) {
						t.Errorf("%s %s: got %v, want %v", name, k, g, w)
					}
				}
			}
		})
	}
}

// Captures in which packets are missing: never a wrong frame or message, every
// byte is accounted for, and most frames are found.
func TestDerivedLossy(t *testing.T) {
	derivations := map[string]func(*rand.Rand, []pcapfile.Packet) []pcapfile.Packet{
		"gap":       func(r *rand.Rand, ps []pcapfile.Packet) []pcapfile.Packet { return lossy(r, ps, 0.03) },
		"gaps":      func(r *rand.Rand, ps []pcapfile.Packet) []pcapfile.Packet { return lossy(r, ps, 0.2) },
		"midstream": func(r *rand.Rand, ps []pcapfile.Packet) []pcapfile.Packet { return renumber(ps[r.IntN(len(ps)):]) },
		"snaplen": func(r *rand.Rand, ps []pcapfile.Packet) []pcapfile.Packet {
			out := slices.Clone(ps)
			n := 80 + r.IntN(200)
			for i := range out {
				out[i].Data = out[i].Data[:min(len(out[i].Data), n)]
			}
			return out
		},
		"one direction": func(r *rand.Rand, ps []pcapfile.Packet) []pcapfile.Packet {
			var out []pcapfile.Packet
			side := r.IntN(2) == 0
			for i := range ps {
				seg := tcpOf(&ps[i])
				if seg != nil && (binary.BigEndian.Uint16(seg) < binary.BigEndian.Uint16(seg[2:])) == side {
					out = append(out, ps[i])
				}
			}
			return renumber(out)
		},
		"cut": func(r *rand.Rand, ps []pcapfile.Packet) []pcapfile.Packet { return ps[:r.IntN(len(ps))+1] },
		"resegmented and lost": func(r *rand.Rand, ps []pcapfile.Packet) []pcapfile.Packet {
			return lossy(r, resegment(r, ps), 0.1)
		},
	}
	rounds := 3
	if testing.Short() {
		rounds = 1
	}
	found, of := map[string]int{}, map[string]int{}
	for name, ps := range recordings(t) {
		base := decode(t, ps, nil)
		for how, derive := range derivations {
			for round := range rounds {
				t.Run(fmt.Sprintf("%s/%s/%d", how, name, round), func(t *testing.T) {
					got := decode(t, derive(rand.New(rand.NewPCG(uint64(round), 9)), ps), nil)
					have, all := got.part(t, base)
					found[how] += have
					of[how] += all
				})
			}
		}
	}
	for how := range derivations {
		t.Logf("%-22s %5d of %5d frames found", how, found[how], of[how])
	}
	if found["gap"] < of["gap"]*8/10 {
		t.Errorf("with a few gaps only %d of %d frames were found", found["gap"], of["gap"])
	}
}

// lossy leaves out packets with payload, but not the handshake.
func lossy(r *rand.Rand, ps []pcapfile.Packet, share float64) []pcapfile.Packet {
	var out []pcapfile.Packet
	for i := range ps {
		seg := tcpOf(&ps[i])
		if seg != nil && len(payloadOf(seg)) > 0 && r.Float64() < share && !isHead(payloadOf(seg)) {
			continue
		}
		out = append(out, ps[i])
	}
	return renumber(out)
}

func isHead(b []byte) bool {
	return strings.HasPrefix(string(b), "GET ") || strings.HasPrefix(string(b), "HTTP/")
}

// resegment cuts the payload of packets into two at a random place.
func resegment(r *rand.Rand, ps []pcapfile.Packet) []pcapfile.Packet {
	var out []pcapfile.Packet
	for i := range ps {
		seg := tcpOf(&ps[i])
		if seg == nil || len(payloadOf(seg)) < 2 || isHead(payloadOf(seg)) || seg[13]&7 != 0 {
			out = append(out, ps[i])
			continue
		}
		n := 1 + r.IntN(len(payloadOf(seg))-1)
		head := ps[i]
		head.Data = slices.Clone(head.Data[:len(head.Data)-len(payloadOf(seg))+n])
		head.Wire = uint32(len(head.Data))
		binary.BigEndian.PutUint16(head.Data[16:], uint16(len(head.Data)-14))
		out = append(out, head, tail(ps[i], n))
	}
	return renumber(out)
}
