package pcapfilter

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
)

var allLinks = []uint16{1, 0, 6, 7, 8, 9, 10, 12, 50, 51, 100, 101, 104, 105, 106, 107, 108, 109, 113, 114, 119, 122, 127, 129, 138, 163, 166, 192, 226, 228, 229, 240, 276}

func report(t *testing.T, s *sample, e string, n map[string]int) {
	v := s.judge(e)
	skip := linkLayers[s.link].kind == kindWLAN && strings.ContainsAny(e, "[=<>")
	switch {
	case v.refused != nil && v.refuses != nil:
		n["refused by both"]++
	case v.refused != nil:
		n["refused"]++
		t.Logf("link %d %q refused: %v", s.link, e, v.refused)
	case v.refuses != nil:
		n["lenient"]++
		t.Logf("link %d %q lenient: %v", s.link, e, v.refuses)
	case v.wrong != "" && skip:
		n["skipped"]++
	case v.wrong != "":
		n["wrong"]++
		t.Errorf("link %d %q: %s", s.link, e, v.wrong)
	default:
		n["fine"]++
		if v.selected == 0 {
			n["selects nothing"]++
		}
		if v.cut > 0 {
			n["cut"]++
			n["cut packets"] += v.cut
			t.Logf("link %d %q cut %d", s.link, e, v.cut)
		}
	}
	if v := s.judgePlain(e); v.wrong != "" && !skip {
		n["wrong plain"]++
		t.Errorf("link %d %q plain: %s", s.link, e, v.wrong)
	}
}

func TestExplore(t *testing.T) {
	f, err := os.Open(os.Getenv("EXPRS"))
	if err != nil {
		t.Skip()
	}
	var exprs []string
	for sc := bufio.NewScanner(f); sc.Scan(); {
		exprs = append(exprs, sc.Text())
	}
	dir := t.TempDir()
	for _, link := range allLinks {
		s := generated(link, 7, 3000)
		s.write(t, dir)
		n := map[string]int{}
		for _, e := range exprs {
			report(t, s, e, n)
		}
		t.Logf("total link %d: %v", link, n)
	}
}

func TestExploreRandom(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("RANDOM"))
	if err != nil {
		t.Skip()
	}
	seed, _ := strconv.Atoi(os.Getenv("SEED"))
	dir := t.TempDir()
	links := append([]uint16{1, 1, 1, 1, 1, 1, 113, 276, 101, 0}, allLinks...)
	if l, err := strconv.Atoi(os.Getenv("LINK")); err == nil {
		links = []uint16{uint16(l)}
	}
	counts := map[string]int{}
	samples := map[uint16]*sample{}
	for i := range n {
		m := newMaker(uint64(seed)<<32 + uint64(i))
		link := links[i%len(links)]
		s := samples[link]
		if s == nil {
			s = generated(link, uint64(seed), 1500)
			s.write(t, dir)
			samples[link] = s
		}
		report(t, s, closed(m.expression(3)), counts)
	}
	t.Logf("total %v", counts)
}
