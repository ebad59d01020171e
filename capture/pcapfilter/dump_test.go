package pcapfilter

import (
	"os"
	"strconv"
	"testing"
)

func TestDump(t *testing.T) {
	expr := os.Getenv("EXPR")
	link, _ := strconv.Atoi(os.Getenv("DLT"))
	live, _ := strconv.Atoi(os.Getenv("LIVE"))
	p, err := Compile(expr, Config{Link: uint16(link), Live: Live(live)})
	if err != nil {
		t.Logf("\n%v", err)
		return
	}
	t.Logf("\n%v", p)
}
