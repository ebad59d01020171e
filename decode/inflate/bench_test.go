package inflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
)

// trades returns JSON messages of about size bytes.
func trades(n, size int) [][]byte {
	rnd := rand.New(rand.NewPCG(1, 1))
	var out [][]byte
	for i := range n {
		var b []byte
		for len(b) < size {
			b = fmt.Appendf(b, `{"e":"trade","s":"%s","t":%d,"p":"%d.%04d","q":"%d","m":%v},`,
				[]string{"BTCUSDT", "ETHUSDT", "SOLUSDT"}[rnd.IntN(3)], 1700000000000+int64(i)*17, 20000+rnd.IntN(500), rnd.IntN(10000), rnd.IntN(1000), rnd.IntN(2) == 0)
		}
		out = append(out, b[:size])
	}
	return out
}

func size(m [][]byte) (n int64) {
	for _, b := range m {
		n += int64(len(b))
	}
	return n
}

// BenchmarkMessages compares with compress/flate, used as it must be: Reset
// with the last 32 KiB for each message.
func BenchmarkMessages(b *testing.B) {
	for _, takeover := range []bool{true, false} {
		for _, s := range []int{64, 256, 1024, 8192} {
			in := trades(max(100, 1<<19/s), s)
			msgs := compress(b, 6, takeover, in...)
			name := fmt.Sprintf("takeover=%v/%d", takeover, s)
			b.Run(name+"/own", func(b *testing.B) {
				b.SetBytes(size(in))
				b.ReportAllocs()
				var z Inflater
				for b.Loop() {
					z.Reset()
					for _, m := range msgs {
						if !takeover {
							z.Reset()
						}
						for p := m; ; {
							out, n, err := z.Next(p)
							if err != nil {
								b.Fatal(err)
							}
							if len(out) == 0 {
								break
							}
							p = p[n:]
						}
						if err := z.EndMessage(); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
			b.Run(name+"/flate", func(b *testing.B) {
				b.SetBytes(size(in))
				b.ReportAllocs()
				r := flate.NewReader(nil)
				window := make([]byte, 0, 2*windowSize)
				buf := make([]byte, 16<<10)
				br := bytes.NewReader(nil)
				tail := bytes.NewReader(nil)
				for b.Loop() {
					window = window[:0]
					for _, m := range msgs {
						br.Reset(m)
						tail.Reset([]byte("\x00\x00\xff\xff\x01\x00\x00\xff\xff"))
						if !takeover {
							window = window[:0]
						}
						r.(flate.Resetter).Reset(io.MultiReader(br, tail), window)
						for {
							n, err := r.Read(buf)
							if takeover {
								window = append(window, buf[:n]...)
								if len(window) > windowSize {
									window = window[:copy(window, window[len(window)-windowSize:])]
								}
							}
							if err == io.EOF {
								break
							}
							if err != nil {
								b.Fatal(err)
							}
						}
					}
				}
			})
		}
	}
}

// BenchmarkLive compares with one compress/flate reader left open over all
// messages, which is fast but fails at window edges.
func BenchmarkLive(b *testing.B) {
	for _, s := range []int{64, 256, 1024, 8192} {
		in := trades(max(100, 1<<19/s), s)
		var all []byte
		for _, m := range compress(b, 6, true, in...) {
			all = append(append(all, m...), 0, 0, 0xff, 0xff)
		}
		b.Run(fmt.Sprint(s), func(b *testing.B) {
			b.SetBytes(size(in))
			r := flate.NewReader(nil)
			buf := make([]byte, 16<<10)
			for b.Loop() {
				r.(flate.Resetter).Reset(bytes.NewReader(all), nil)
				for {
					if _, err := r.Read(buf); err != nil {
						break
					}
				}
			}
		})
	}
}

func BenchmarkBomb(b *testing.B) {
	m := compress(b, 9, false, make([]byte, 64<<20))[0]
	b.SetBytes(64 << 20)
	b.ReportAllocs()
	var z Inflater
	for b.Loop() {
		z.Reset()
		n := 0
		for p := m; ; {
			out, k, err := z.Next(p)
			if err != nil {
				b.Fatal(err)
			}
			if len(out) == 0 {
				break
			}
			n += len(out)
			p = p[k:]
		}
		if n != 64<<20 {
			b.Fatal(n)
		}
	}
}
