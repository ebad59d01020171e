package pcapfilter

import (
	"flag"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"framescope/capture/capturetest"
	"framescope/capture/pcapfile"
)

// refusal tells whether tcpdump compiles an expression for the link type that
// this package refuses.
func refusal(link uint16, expr string) bool {
	direction := strings.Contains(expr, "inbound") || strings.Contains(expr, "outbound") || strings.Contains(expr, "ifindex")
	wlan := linkLayers[link].kind == kindWLAN && (strings.Contains(expr, "pppoes") || strings.Contains(expr, "geneve"))
	before := expr == "ip[-1] = 0" || expr == "tcp[-1] = 0" // where nothing is before IP
	return direction || wlan || before || expr == "not geneve and ip"
}

func (s *sample) comparable(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(e string) bool {
		_, err := Compile(e, s.config())
		return err != nil && refusal(s.link, e)
	})
}

// inPairs runs f for each key, two at a time.
func inPairs[K comparable](keys []K, f func(K)) {
	next := make(chan K)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for k := range next {
				f(k)
			}
		})
	}
	for _, k := range keys {
		next <- k
	}
	close(next)
	wg.Wait()
}

// Generated packets of every link type: what tcpdump selects, and nothing else.
func TestGenerated(t *testing.T) {
	needTcpdump(t)
	list := expressions(t)
	var samples []*sample
	for _, link := range slices.Sorted(maps.Keys(linkLayers)) {
		n := 1200
		switch {
		case link == 14: // LINKTYPE_ number of raw IP on one system only
			continue
		case link == 1 && !testing.Short():
			n = 20000
		case testing.Short() && link != 1:
			continue
		}
		samples = append(samples, generated(link, 7, n).write(t))
	}
	big := generated(109, 8, 1000)
	big.bigEndian = true
	for _, p := range big.packets {
		if len(p.data) >= 4 {
			slices.Reverse(p.data[:4])
		}
	}
	opaque := generated(147, 8, 200)
	samples = append(samples, big.write(t), opaque.write(t))
	inPairs(samples, func(s *sample) {
		list := s.comparable(list)
		if !slices.Contains([]uint16{0, 1, 9, 101, 113, 127, 276}, s.link) {
			// a third of them, not the same everywhere
			i := 0
			list = slices.DeleteFunc(list, func(string) bool { i++; return (i+int(s.link))%3 != 0 })
		}
		n := s.compareAll(t, list)
		t.Logf("link type %d: %d expressions, %d packets", s.link, n, len(s.packets))
	})
}

// The captures of other projects.
func TestCorpora(t *testing.T) {
	needTcpdump(t)
	most, size := 12000, 400 // packets of a link type, bytes of a packet
	if testing.Short() {
		most = 500
	}
	samples := make(map[uint16]*sample)
	var batch pcapfile.Batch
	for _, folder := range []string{"recorded", "tcpdump", "zeek", "suricata-verify", "arkime", "nDPI", "gopacket", "scapy", "pymptcpanalyzer", "ptcpdump"} {
		filepath.WalkDir(capturetest.Corpus(t, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.Contains(filepath.Ext(path), "cap") {
				return err
			}
			r, err := pcapfile.Open(path, nil)
			if err != nil {
				return nil
			}
			defer r.Close()
			perFile := 0
			for r.Read(&batch) == nil {
				for _, p := range batch.Packets {
					s := samples[p.Link]
					if s == nil {
						s = &sample{link: p.Link}
						samples[p.Link] = s
					}
					if _, known := linkLayers[p.Link]; !known || p.Link == 14 || len(s.packets) >= most || perFile >= 300 {
						continue
					}
					perFile++
					data := slices.Clone(p.Data[:min(len(p.Data), size)])
					s.packets = append(s.packets, packet{data, max(p.Wire, uint32(len(data)))})
				}
			}
			return nil
		})
	}
	list := expressions(t)
	var known []*sample
	for _, link := range slices.Sorted(maps.Keys(samples)) {
		if len(samples[link].packets) > 0 {
			known = append(known, samples[link].write(t))
		}
	}
	if len(known) < 10 {
		t.Errorf("captures of %d link types", len(known))
	}
	inPairs(known, func(s *sample) {
		n := s.compareAll(t, s.comparable(list))
		t.Logf("link type %d: %d expressions, %d packets", s.link, n, len(s.packets))
	})
}

var (
	randomRuns = flag.Int("random", 600, "how many random expressions are compared")
	randomSeed = flag.Uint64("random.seed", 1, "which ones")
)

// Random expressions. Before optimizing, this package agrees with tcpdump -O on
// every packet. After it, only packets that end inside of what an expression
// reads without effect may be judged differently than by tcpdump's optimizer.
func TestRandom(t *testing.T) {
	needTcpdump(t)
	if testing.Short() {
		*randomRuns = min(*randomRuns, 60)
	}
	links := slices.DeleteFunc(slices.Sorted(maps.Keys(linkLayers)), func(l uint16) bool { return l == 14 })
	links = append(links, slices.Repeat([]uint16{1}, len(links)/2)...)
	samples := make([]*sample, len(links))
	byLink := make(map[uint16]*sample)
	for i, link := range links {
		if byLink[link] == nil {
			byLink[link] = generated(link, *randomSeed, 1000).write(t)
		}
		samples[i] = byLink[link]
	}
	runs := make([]int, *randomRuns)
	for i := range runs {
		runs[i] = i
	}
	var mu sync.Mutex
	count := make(map[string]int)
	inPairs(runs, func(i int) {
		m := newMaker(*randomSeed<<32 + uint64(i))
		s := samples[i%len(samples)]
		expr := closed(m.expression(3))
		v, plain := s.judge(expr), s.judgePlain(expr)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case libpcapFault(s.link, expr) && (v.wrong != "" || plain.wrong != ""):
			count["libpcap's fault"]++
		case v.wrong != "":
			t.Errorf("link type %d: %q: %s", s.link, expr, v.wrong)
		case plain.wrong != "":
			t.Errorf("link type %d: %q: %s", s.link, expr, plain.wrong)
		case v.refused != nil && v.refuses == nil:
			count["refused here"]++
		case v.refused != nil:
			count["refused"]++
		case v.refuses != nil:
			count["refused by tcpdump"]++
		case v.theirs > 0: // it loses a load of the index register, for one
			count["tcpdump's optimizer is at fault"]++
		case v.cut > 0:
			count["differ for packets that are cut off"]++
		default:
			count["same"]++
		}
	})
	t.Log(count)
	if (count["differ for packets that are cut off"]+10*count["tcpdump's optimizer is at fault"])*50 > count["same"] || count["same"] < *randomRuns/3 {
		t.Errorf("too few are the same: %v", count)
	}
}
