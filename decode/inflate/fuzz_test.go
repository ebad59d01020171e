package inflate

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
)

// oracle decompresses a message with compress/flate: with what the sender left
// away, and a final block behind it. compress/flate stops at final blocks; it
// is made to go on behind those of the message.
func oracle(message, dict []byte, most int) (out []byte, err error) {
	const tail = "\x00\x00\xff\xff" + "\x01\x00\x00\xff\xff"
	r := bytes.NewReader(append(bytes.Clone(message), tail...))
	for {
		f := flate.NewReaderDict(r, append(bytes.Clone(dict), out...))
		b, err := io.ReadAll(io.LimitReader(f, int64(most-len(out))))
		out = append(out, b...)
		switch {
		case err != nil:
			return out, err
		case len(out) >= most || r.Len() == 0 || r.Len() == 5 || r.Len() == len(tail):
			return out, nil
		case r.Len() < len(tail):
			return out, io.ErrUnexpectedEOF
		}
	}
}

const most = 1 << 20

// pull decompresses up to most bytes of a message that is cut at random.
func pull(z *Inflater, message []byte, rnd *rand.Rand) (out []byte, err error) {
	pieces := [][]byte{message}
	if rnd != nil {
		pieces = cutUp(rnd, message, 1+rnd.IntN(40))
	}
	for _, p := range pieces {
		for {
			run, n, err := z.Next(p)
			if err != nil && len(run) > 0 || n < 0 || n > len(p) || len(run) > windowSize {
				panic("Next breaks its word")
			}
			p = p[n:]
			out = append(out, run...)
			if len(out) >= most {
				z.Lose()
				return out[:most], nil
			}
			if err != nil {
				return out, z.EndMessage()
			}
			if len(run) == 0 {
				if len(p) > 0 {
					panic("input is left and no output")
				}
				break
			}
		}
	}
	return out, z.EndMessage()
}

func seeds(f *testing.F) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for level := -2; level <= 9; level++ {
		for _, p := range compress(f, level, false, corpus(rnd, 3, 400)...) {
			f.Add(p, p, uint64(level+2))
		}
	}
	for _, s := range []string{"\x00", "\x01\x05\x00\xfa\xffHello\x00", "\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x00\x11\x00\x00", "\x1a\x03", "\xf2\x00\x3e"} {
		f.Add([]byte(s), []byte(s), uint64(1))
	}
}

// FuzzOracle: the output is that of compress/flate, for two messages that
// share their history.
func FuzzOracle(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, m1, m2 []byte, seed uint64) {
		var z Inflater
		var dict []byte
		for i, m := range [][]byte{m1, m2} {
			want, wantErr := oracle(m, dict, most)
			got, err := pull(&z, m, rand.New(rand.NewPCG(seed, 0)))
			if len(got) >= most {
				return
			}
			// A message that ends inside a stored block gets the four bytes
			// from compress/flate as data; here it has an end that is missing.
			if errors.Is(err, io.ErrUnexpectedEOF) {
				if !bytes.HasPrefix(want, got) {
					t.Fatalf("message %d: %x, want %x", i, got, want)
				}
				return
			}
			if (err == nil) != (wantErr == nil) && len(m) > 0 {
				t.Fatalf("message %d: %v, compress/flate: %v (%x)", i, err, wantErr, m)
			}
			if err != nil {
				// compress/flate writes out its window, not each byte.
				if !bytes.HasPrefix(got, want) && !bytes.HasPrefix(want, got) {
					t.Fatalf("message %d before an error: %x, want %x", i, got, want)
				}
				return
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("message %d: %x, want %x", i, got, want)
			}
			dict = append(dict, got...)
			dict = dict[max(0, len(dict)-windowSize):]
		}
	})
}

// FuzzCut: the result does not depend on where the input was cut, and any bytes
// take bounded memory.
func FuzzCut(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, m1, m2 []byte, seed uint64) {
		var a, b Inflater
		if seed&1 != 0 {
			a.Lose()
			b.Lose()
		}
		rnd := rand.New(rand.NewPCG(seed, 0))
		for i, m := range [][]byte{m1, m2, m1} {
			wa, ea := pull(&a, m, nil)
			wb, eb := pull(&b, m, rnd)
			if !bytes.Equal(wa, wb) || (ea == nil) != (eb == nil) || ea != nil && ea.Error() != eb.Error() {
				t.Fatalf("message %d: %x %v, cut: %x %v", i, wa, ea, wb, eb)
			}
			if a.Farthest() != b.Farthest() && len(wa) < most {
				t.Fatalf("farthest %d, cut: %d", a.Farthest(), b.Farthest())
			}
		}
		if len(a.buf) > bufMax || len(b.buf) > bufMax {
			t.Fatal("the window has ", len(a.buf), len(b.buf))
		}
	})
}
