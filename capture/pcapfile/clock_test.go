package pcapfile

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// exact is nanos, with numbers of any size.
func exact(resolution uint8, offset int64, t uint64) (int64, bool) {
	n := new(big.Int).SetUint64(t)
	n.Mul(n, big.NewInt(second))
	unit := new(big.Int)
	if e := int64(resolution & 0x7f); resolution&0x80 != 0 {
		unit.Lsh(big.NewInt(1), uint(e))
	} else {
		unit.Exp(big.NewInt(10), big.NewInt(e), nil)
	}
	n.Div(n, unit)
	n.Add(n, new(big.Int).Mul(big.NewInt(min(max(offset, -mostSeconds), mostSeconds)), big.NewInt(second)))
	if !n.IsInt64() {
		return math.MaxInt64, false
	}
	return n.Int64(), true
}

// Every resolution, with the timestamps and offsets where something could
// overflow, gives the exact time or says that there is none.
func TestClock(t *testing.T) {
	stamps := []uint64{0, 1, 999, 1<<32 - 1, 1 << 32, 1600000000, 1600000000_000000, 1600000000_000000000,
		math.MaxInt64/1000 - 1, math.MaxInt64 / 1000, math.MaxInt64/1000 + 1, math.MaxInt64 - 1, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64 - 1, math.MaxUint64}
	offsets := []int64{0, 1, -1, 3600, -3600, 1600000000, -1600000000, mostSeconds, -mostSeconds, mostSeconds + 1, math.MaxInt64, math.MinInt64}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		stamps = append(stamps, rnd.Uint64()>>rnd.IntN(64))
		offsets = append(offsets, int64(rnd.Uint64())>>rnd.IntN(64))
	}
	for resolution := range 256 {
		for _, offset := range offsets {
			c := newClock(uint8(resolution), offset)
			for _, s := range stamps {
				want, wantOK := exact(uint8(resolution), offset, s)
				got, ok := c.nanos(s)
				if got != want || ok != wantOK {
					t.Fatalf("resolution %#x, offset %d, timestamp %d: %d, %v, want %d, %v", resolution, offset, s, got, ok, want, wantOK)
				}
				if s <= c.most && int64(s*c.unit)+c.offset != want {
					t.Fatalf("resolution %#x, offset %d, timestamp %d: %d the short way, want %d", resolution, offset, s, int64(s*c.unit)+c.offset, want)
				}
			}
		}
	}
}

func TestClockIsShortForOrdinaryFiles(t *testing.T) {
	for _, c := range []struct {
		resolution uint8
		stamp      uint64 // the year 2100
	}{{6, 4102444800_000000}, {9, 4102444800_000000000}, {3, 4102444800_000}} {
		if k := newClock(c.resolution, 0); c.stamp > k.most {
			t.Errorf("resolution %d: %d is above %d", c.resolution, c.stamp, k.most)
		}
	}
}
