package pcapfilter

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A sample is packets of one link type, in a file for tcpdump too.
type sample struct {
	link      uint16
	bigEndian bool
	file      string
	packets   []packet
}

func (s *sample) config() Config { return Config{Link: s.link, BigEndian: s.bigEndian} }

type packet struct {
	data []byte
	wire uint32
}

// write puts the packets into a pcap file of its byte order; the time of a
// packet is its index.
func (s *sample) write(t testing.TB) *sample {
	t.Helper()
	s.file = filepath.Join(t.TempDir(), fmt.Sprintf("link%d.pcap", s.link))
	f, err := os.Create(s.file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	var order binary.AppendByteOrder = binary.LittleEndian
	if s.bigEndian {
		order = binary.BigEndian
	}
	head := order.AppendUint32(nil, 0xa1b2c3d4)
	head = order.AppendUint16(order.AppendUint16(head, 2), 4)
	head = order.AppendUint32(append(head, make([]byte, 8)...), 262144)
	w.Write(order.AppendUint32(head, uint32(s.link)))
	for i, p := range s.packets {
		rec := order.AppendUint32(order.AppendUint32(nil, uint32(i)), 0)
		w.Write(order.AppendUint32(order.AppendUint32(rec, uint32(len(p.data))), p.wire))
		w.Write(p.data)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return s
}

// errRefused is what tcpdump says of an expression that it does not compile.
type errRefused string

func (e errRefused) Error() string { return string(e) }

// tcpdump returns which packets tcpdump selects.
func (s *sample) tcpdump(expr string, options ...string) ([]bool, error) {
	args := append(options, "-n", "-r", s.file, "-w", "-", "--", expr)
	cmd := exec.Command("tcpdump", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		text := stderr.String()
		if i := strings.LastIndex(text, "tcpdump: "); i >= 0 {
			text = text[i+9:]
		}
		return nil, errRefused(strings.TrimSpace(text))
	} else if err != nil {
		return nil, err
	}
	selected := make([]bool, len(s.packets))
	var order binary.ByteOrder = binary.LittleEndian
	if binary.BigEndian.Uint32(out) == 0xa1b2c3d4 {
		order = binary.BigEndian
	}
	r := bytes.NewReader(out)
	r.Seek(24, io.SeekStart)
	for {
		var rec [16]byte
		if _, err := io.ReadFull(r, rec[:]); err == io.EOF {
			return selected, nil
		} else if err != nil {
			return nil, err
		}
		selected[order.Uint32(rec[:])] = true
		r.Seek(int64(order.Uint32(rec[8:])), io.SeekCurrent)
	}
}

// generated makes a sample of packets of one link type.
func generated(link uint16, seed uint64, n int) *sample {
	m := newMaker(seed + uint64(link)<<32)
	s := &sample{link: link}
	for range n {
		data, wire := m.packet(link)
		s.packets = append(s.packets, packet{data, wire})
	}
	return s
}

// A verdict is how an expression fared on a sample.
type verdict struct {
	selected int    // packets
	cut      int    // packets that end early, where tcpdump and Match differ
	theirs   int    // others where tcpdump and Match differ, but tcpdump -O does not
	wrong    string // "" if the rest is as tcpdump says
	refused  error  // by this package
	refuses  error  // by tcpdump
}

// judge compares one expression, packet by packet. Without optimizing, both
// must agree on every packet. With it they may differ on packets that end
// inside of what the expression reads: what is read although nothing depends on
// it is up to the optimizer.
func (s *sample) judge(expr string) (v verdict) {
	c := s.config()
	p, err := Compile(expr, c)
	if err != nil {
		v.refused = err
	}
	want, err := s.tcpdump(expr)
	if err != nil && strings.Contains(err.Error(), "expression rejects all packets") {
		want, err = make([]bool, len(s.packets)), nil
	}
	if refused, ok := err.(errRefused); ok {
		v.refuses = refused
	} else if err != nil {
		v.wrong = err.Error()
	}
	if v.refused != nil || v.refuses != nil || v.wrong != "" {
		return v
	}
	if err := check(p.code); err != nil {
		v.wrong = err.Error()
		return v
	}
	plain, err := build(expr, c, false)
	if err != nil {
		v.refused = err
		return v
	}
	var unoptimized []bool
	for i, pk := range s.packets {
		got, strict := p.run(pk.data, pk.wire, nil), plain.run(pk.data, pk.wire, nil)
		if got == accepted {
			v.selected++
		}
		if got != strict && strict != failed && (got == accepted) != (strict == accepted) {
			v.wrong = s.describe(i, fmt.Sprintf("%v before optimizing, %v after", strict, got))
			return v
		}
		if (got == accepted) == want[i] {
			continue
		}
		if strict == failed {
			v.cut++
			continue
		}
		if unoptimized == nil {
			if unoptimized, err = s.tcpdump(expr, "-O"); err != nil {
				v.wrong = err.Error()
				return v
			}
		}
		if (got == accepted) != unoptimized[i] {
			v.wrong = s.describe(i, fmt.Sprintf("tcpdump says %v", want[i]))
			return v
		}
		v.theirs++
	}
	return v
}

// judgePlain compares without optimizing.
func (s *sample) judgePlain(expr string) (v verdict) {
	p, err := build(expr, s.config(), false)
	if err != nil {
		v.refused = err
		return v
	}
	want, err := s.tcpdump(expr, "-O")
	if err != nil {
		v.refuses = err
		return v
	}
	for i, pk := range s.packets {
		if (p.run(pk.data, pk.wire, nil) == accepted) != want[i] {
			v.wrong = s.describe(i, fmt.Sprintf("tcpdump -O says %v", want[i]))
			return v
		}
	}
	return v
}

func (s *sample) describe(i int, what string) string {
	p := s.packets[i]
	return fmt.Sprintf("%s: packet %d, %d of %d bytes: %x", what, i, len(p.data), p.wire, p.data[:min(len(p.data), 200)])
}

// expressions are those of testdata/expressions.txt: every primitive is there.
// In a short test it is every fourth.
func expressions(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/expressions.txt")
	if err != nil {
		t.Fatal(err)
	}
	list := strings.Split(strings.TrimSpace(string(text)), "\n")
	if testing.Short() {
		i := 0
		list = slices.DeleteFunc(list, func(string) bool { i++; return i%4 != 0 })
	}
	return list
}

// needTcpdump skips a test that has nothing to compare with.
func needTcpdump(t testing.TB) {
	t.Helper()
	out, err := exec.Command("tcpdump", "--version").CombinedOutput()
	if err != nil {
		t.Skip("tcpdump is missing")
	}
	if !bytes.Contains(out, []byte("libpcap version 1.10")) {
		t.Logf("compared with another libpcap than 1.10: %s", out)
	}
}

// libpcapFault tells whether libpcap compiles the expression wrongly: for
// 802.11 it keeps the length of headers in the same scratch word as an operand
// of arithmetic.
func libpcapFault(link uint16, expr string) bool {
	return linkLayers[link].kind == kindWLAN && strings.ContainsAny(expr, "[=<>")
}

// noNames tells whether tcpdump refuses a name because the system has no
// /etc/services or /etc/protocols.
func noNames(err error) bool {
	_, services := os.Stat("/etc/services")
	_, protocols := os.Stat("/etc/protocols")
	return services != nil && strings.Contains(err.Error(), "unknown port") ||
		protocols != nil && strings.Contains(err.Error(), "unknown ip proto")
}

// compareAll compares expressions on a sample and returns how many were
// compared. Nothing may differ, not even where a packet ends early.
func (s *sample) compareAll(t *testing.T, list []string) (compared int) {
	t.Helper()
	for _, expr := range list {
		switch v := s.judge(expr); {
		case v.refused != nil && v.refuses == nil:
			t.Errorf("link type %d: %q is refused: %v", s.link, expr, v.refused)
		case v.refused != nil:
		case v.refuses != nil && noNames(v.refuses):
		case v.refuses != nil:
			t.Errorf("link type %d: %q is compiled, tcpdump says: %v", s.link, expr, v.refuses)
		case v.wrong != "" && libpcapFault(s.link, expr):
		case v.wrong != "":
			t.Errorf("link type %d: %q: %s", s.link, expr, v.wrong)
		case v.cut+v.theirs > 0:
			t.Errorf("link type %d: %q differs for %d packets that are cut off and %d others", s.link, expr, v.cut, v.theirs)
		default:
			compared++
		}
	}
	return compared
}
