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
	"strings"
	"testing"
)

// A sample is packets of one link type, in a file for tcpdump too.
type sample struct {
	link    uint16
	file    string
	packets []packet
}

type packet struct {
	data []byte
	wire uint32
}

// write puts the packets into a pcap file; the time of a packet is its index.
func (s *sample) write(t testing.TB, dir string) {
	s.file = filepath.Join(dir, fmt.Sprintf("link%d.pcap", s.link))
	f, err := os.Create(s.file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	le := binary.LittleEndian
	head := le.AppendUint32(nil, 0xa1b2c3d4)
	head = le.AppendUint16(le.AppendUint16(head, 2), 4)
	head = le.AppendUint32(append(head, make([]byte, 8)...), 262144)
	w.Write(le.AppendUint32(head, uint32(s.link)))
	for i, p := range s.packets {
		rec := le.AppendUint32(le.AppendUint32(nil, uint32(i)), 0)
		w.Write(le.AppendUint32(le.AppendUint32(rec, uint32(len(p.data))), p.wire))
		w.Write(p.data)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
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
	r := bytes.NewReader(out)
	r.Seek(24, io.SeekStart)
	for {
		var rec [16]byte
		if _, err := io.ReadFull(r, rec[:]); err == io.EOF {
			return selected, nil
		} else if err != nil {
			return nil, err
		}
		selected[binary.LittleEndian.Uint32(rec[:])] = true
		r.Seek(int64(binary.LittleEndian.Uint32(rec[8:])), io.SeekCurrent)
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
	wrong    string // "" if the rest is as tcpdump says
	refused  error  // by this package
	refuses  error  // by tcpdump
}

// judge compares one expression, packet by packet. Without optimizing, both
// must agree on every packet. With it they may differ on packets that end
// inside of what the expression reads: what is read although nothing depends on
// it is up to the optimizer.
func (s *sample) judge(expr string) (v verdict) {
	c := Config{Link: s.link}
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
		if strict != failed {
			v.wrong = s.describe(i, fmt.Sprintf("tcpdump says %v", want[i]))
			return v
		}
		v.cut++
	}
	return v
}

// judgePlain compares without optimizing.
func (s *sample) judgePlain(expr string) (v verdict) {
	p, err := build(expr, Config{Link: s.link}, false)
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
