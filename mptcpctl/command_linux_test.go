package mptcpctl

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"framescope/capture/netns/netnstest"
)

// The same command lines, given to ip-mptcp(8) in one namespace and to ParseIP
// in another: both take or refuse each, and what is there afterwards is the same.
func TestParseIPAsIPDoes(t *testing.T) {
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("ip: not installed")
	}
	theirs, ours := netnstest.New(t), netnstest.New(t)
	c := open(t, ours)
	for _, line := range []string{
		"endpoint add 10.0.0.1 subflow",
		"endpoint add 10.0.0.1 signal",
		"endp a 10.0.0.2 i 7 d lo sig",
		"endpoint add 10.0.0.2 id 7 dev lo signal",
		"endpoint add id 8 backup subflow dev lo fd00::1",
		"endpoint add 127.0.0.1 port 4000 signal",
		"endpoint add 127.0.0.1 port 4000 subflow",
		"endpoint add 127.0.0.1 port 4001 signal subflow",
		"endpoint add 10.0.0.3 id 0x20 fullmesh",
		"endpoint add 10.0.0.4 signal fullmesh",
		"endpoint add 10.0.0.4 id 0",
		"endpoint add 10.0.0.4 id 300",
		"endpoint add 10.0.0.4 dev nothere",
		"endpoint add 10.0.0.999",
		"endpoint add",
		"endpoint show id 7",
		"endpoint show id 99",
		"endpoint show",
		"endpoint",
		"endpoint change id 7 backup",
		"endpoint change id 7 fullmesh",
		"endpoint change id 7 signal",
		"endpoint change id 7 nobackup",
		"endpoint change 10.0.0.1 fullmesh",
		"endpoint change 127.0.0.1 port 4000 backup",
		"endpoint change id 7 port 5 backup",
		"endpoint change id 0 backup",
		"endpoint change id 99 backup",
		"endpoint delete id 7",
		"endpoint delete id 7",
		"endpoint delete id 32 10.0.0.3",
		"endpoint delete id 0 10.0.0.1",
		"endpoint delete",
		"endpoint del id 32",
		"endpoint nonsense",
		"limits",
		"limits show",
		"limits set subflow 3",
		"lim set add 4 sub 5",
		"limits set subflows 9",
		"limits set subflows x",
		"limits set nonsense 1",
		"endpoint flush",
		"nonsense",
	} {
		args := strings.Fields(line)
		var out []byte
		var fails error
		netnstest.Do(t, theirs, func() error {
			cmd := exec.Command("ip", append([]string{"mptcp"}, args...)...)
			out, fails = cmd.Output()
			return nil
		})
		cmd, err := ParseIP(args)
		var r Result
		if err == nil {
			r, err = cmd.Run(c)
		}
		var dropped *FlagsError
		if errors.As(err, &dropped) {
			err = nil
		}
		if (err == nil) != (fails == nil) {
			t.Errorf("%s: ip %v, we %v", line, fails, err)
		}
		var text []byte
		switch {
		case err != nil:
		case cmd.Verb == VerbShow:
			for _, e := range r.Endpoints {
				text = e.AppendIP(text)
			}
		case cmd.Verb == VerbShowLimits:
			text = r.Limits.AppendIP(text)
		}
		if fails == nil && string(out) != string(text) {
			t.Errorf("%s: ip prints\n%s\nwe\n%s", line, out, text)
		}
		if a, b := netnstest.Run(t, theirs, "ip", "mptcp", "endpoint"), netnstest.Run(t, ours, "ip", "mptcp", "endpoint"); a != b {
			t.Fatalf("%s: afterwards ip has\n%s\nwe\n%s", line, a, b)
		}
	}
}
