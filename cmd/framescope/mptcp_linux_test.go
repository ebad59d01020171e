package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The commands of mptcp in a namespace of their own, with user and without: what
// is printed, where, and the exit status.
func TestMPTCP(t *testing.T) {
	asRoot(t, "CAP_SYS_ADMIN")
	need(t, "unshare", "setpriv", "ip", "bash")
	const links = `
ip link add e0 type veth peer name e1; ip link set e0 up; ip link set e1 up; ip addr add 10.9.0.1/24 dev e0
ip link add e2 type veth peer name e3; ip link set e2 up; ip link set e3 up; ip addr add 10.8.0.1/24 dev e2
ip route add default via 10.9.0.254
`
	for _, tt := range []struct {
		name, script, out, err string
		code                   int
	}{
		{"nothing", "$FS mptcp endpoint", "", "", 0},
		{"add", "$FS mptcp endpoint add 10.9.0.1 dev e0 subflow && $FS mptcp endpoint", "id  address   port  dev  flags\n1   10.9.0.1        e0   subflow\n", "", 0},
		{"json", "$FS mptcp endpoint add 10.9.0.1 signal id 7 -o json", `[{"address":"10.9.0.1","id":7,"signal":true}]`, "", 0},
		{"as ip", "$FS mptcp endpoint add 10.9.0.1 dev e0 subflow; $FS mptcp endpoint -o ip >$OUT/a; ip mptcp endpoint | diff - $OUT/a", "", "", 0},
		{"dry run", "$FS mptcp endpoint add 10.9.0.1 subflow --dry-run; ip mptcp endpoint", "endpoint add 10.9.0.1 subflow\n", "", 0},
		{"warning", "$FS mptcp endpoint add 10.8.0.1 subflow", "",
			"framescope: warning: mptcp-no-source-route: packets from 10.8.0.1 do not leave by e2, which has the address: source routing is missing\n  seen  ip route get 192.0.2.1 from 10.8.0.1: via 10.9.0.254 dev e0\n  fix   ip rule add from 10.8.0.1 lookup", 0},
		{"refused", "$FS mptcp endpoint add 10.9.0.1 subflow; $FS mptcp endpoint add 10.9.0.1 subflow", "",
			"framescope: mptcp endpoint add 10.9.0.1 subflow: too many addresses or duplicate one: -17 (the address is an endpoint already)\n", 1},
		{"usage", "$FS mptcp endpoint add 10.9.0.1 sublow", "", `framescope: mptcp endpoint: argument 3, "sublow": expected an address, id, dev`, 2},
		{"output", "$FS mptcp endpoint -o xml", "", `framescope: --output "xml": expected table, ip, json, jsonl`, 2},
		{"right", "setpriv --bounding-set=-all --inh-caps=-all $FS mptcp endpoint flush", "",
			"framescope: mptcp endpoint flush: operation not permitted\n  that needs CAP_NET_ADMIN in the namespace; try: sudo framescope mptcp endpoint flush\n", 3},
		{"no namespace", "$FS mptcp endpoint --netns nope0", "", "ip netns shows the names", 2},
		{"limits", "$FS mptcp limits set subflow 4; $FS mptcp limits", "add_addr_accepted 0 subflows 4 \n", "", 0},
		{"limits dry", "$FS mptcp limits set subflow 4 --dry-run; ip mptcp limits", "limits set subflows 4 (was subflows 2)\nadd_addr_accepted 0 subflows 2 \n", "", 0},
		{"limits json", "$FS mptcp limits -o json", `{"add_addr_accepted":0,"subflows":2}` + "\n", "", 0},
		{"sysctl", "$FS mptcp sysctl stale_loss_cnt=9; cat /proc/sys/net/mptcp/stale_loss_cnt", "sysctl net.mptcp.stale_loss_cnt=9 (was 4)\n9\n", "", 0},
		{"no sysctl", "$FS mptcp sysctl stale", "", "framescope: mptcp sysctl: this kernel has no net.mptcp.stale\n", 2},
		{"counters", "$FS mptcp counters", "nothing was counted\n", "", 0},
		{"all counters", "$FS mptcp counters --all -o jsonl", `"name":"MPTcpExtMPCapableSYNTX","value":0,"meaning":"SYNs with MP_CAPABLE sent`, "", 0},
		{"interval", "$FS mptcp counters --interval 20ms --count 2 -o json", "[]\n[]\n", "", 0},
		{"monitor", `$FS mptcp monitor --for 20s -o jsonl >$OUT/events & pid=$!
			for _ in $(seq 200); do timeout 0.05 $FS mptcp pm-nl-ctl listen 127.0.0.1 9000; [ -s $OUT/events ] && break; done
			kill -INT $pid; wait $pid; head -n 1 $OUT/events`, `{"schema":"1.0","type":"mptcp_event",`, "", 0},
		{"apply", `echo '{"endpoints":[{"address":"10.9.0.1","flags":["signal"]}],"limits":{"subflows":3},"sysctls":{"enabled":"1"}}' >$OUT/s
			$FS mptcp apply -f $OUT/s; $FS mptcp apply -f $OUT/s`, "limits set subflows 3 (was subflows 2)\nendpoint add 10.9.0.1 signal\nnothing to change\n", "", 0},
		{"apply a typo", `echo '{"endpoints":[{"adress":"10.9.0.1"}]}' | $FS mptcp apply -f -`, "", `framescope: -: offset 37: endpoint: json: unknown field "adress"`, 2},
		{"apply nonsense", `echo '{"limits":{"subflows":9}}' | $FS mptcp apply -f -`, "", "framescope: -: limits: subflows 9: expected 0 to 8\n", 2},
		{"apply YAML", `printf 'endpoints:\n  - {address: 10.9.0.1, flags: [signal], id: 9}\nlimits: {subflows: 3}\nsysctls: {enabled: 1}\n' >$OUT/s
			$FS mptcp apply -f $OUT/s; $FS mptcp apply -f $OUT/s`, "limits set subflows 3 (was subflows 2)\nendpoint add 10.9.0.1 id 9 signal\nnothing to change\n", "", 0},
		{"apply a typo in YAML", `printf 'endpoints:\n  - address: 10.9.0.1\n    flag: [signal]\n' | $FS mptcp apply -f -`, "", `framescope: -: line 3, column 5: unknown field "flag"`, 2},
		{"apply two documents", `printf 'endpoints: []\n---\nlimits: {}\n' | $FS mptcp apply -f -`, "", "framescope: -: there is more than one document\n", 2},
		{"apply nothing", "$FS mptcp apply -f /dev/null", "", "framescope: /dev/null: it is empty\n", 2},
		{"show nothing", "$FS mptcp show", "0 MPTCP connections\n", "", 0},
		{"show nothing as JSON", "$FS mptcp show -o json; $FS mptcp show -o jsonl --dst :443", "[]\n", "", 0},
		{"show usage", "$FS mptcp show --dst nowhere", "", `framescope: --dst "nowhere": expected ADDRESS, ADDRESS/BITS`, 2},
		{"show output", "$FS mptcp show -o ip", "", `framescope: --output "ip": expected table, json, jsonl`, 2},
		{"show both", "$FS mptcp show --owner --no-owner", "", "expected one of them", 2},
		{"verify nothing", "$FS mptcp verify --dst :443 --subflows 2 --within 300ms", "FAIL no MPTCP connection was seen\n     0 connections with --dst :443, observed for ", "", 1},
		{"verify nothing as JUnit", "$FS mptcp verify --within 300ms -o junit", `<failure message="no MPTCP connection was seen" type="mptcp-no-connection">`, "", 1},
		{"verify nothing as JSON", "$FS mptcp verify --within 300ms -o jsonl", `"ok":false,"reason":"no MPTCP connection was seen"`, "", 1},
		{"verify usage", "$FS mptcp verify --min-share 2", "", "framescope: --min-share 2: expected more than 0, and 1 at most\n", 2},
		{"doctor", "$FS mptcp doctor --for 0", "nothing wrong was found: 0 MPTCP connections", "", 0},
		{"doctor without rights", "setpriv --bounding-set=-all --inh-caps=-all $FS mptcp doctor --for 10ms -o json", "[]\n", "", 0},
		{"doctor disabled", "$FS mptcp sysctl enabled=0 >/dev/null; $FS mptcp doctor --for 0", "error: mptcp-disabled   MPTCP is off in this network namespace\n", "", 1},
		{"doctor never fails", "$FS mptcp sysctl enabled=0 >/dev/null; $FS mptcp doctor --for 0 --fail never -o jsonl", `{"schema":"1.0","type":"finding","ts":`, "", 0},
		{"doctor routes", "$FS mptcp endpoint add 10.8.0.1 subflow 2>/dev/null; $FS mptcp doctor --for 0", "error: mptcp-no-source-route", "", 1},
		{"doctor usage", "$FS mptcp doctor --fail often", "", `framescope: --fail "often": expected note, warning, error or never`, 2},
		{"pm_nl_ctl", `P="$FS mptcp pm-nl-ctl"; $P add 10.0.1.1; $P add 10.0.1.2 flags subflow,unknown dev lo; $P dump; $P get 2; $P limits 1 8; $P limits; $P del 1; $P flush; $P dump`,
			"id 1 flags  10.0.1.1\nid 2 flags subflow dev lo 10.0.1.2\nid 2 flags subflow dev lo 10.0.1.2\naccept 1\nsubflows 8\n", "", 0},
		{"pm_nl_ctl refused", "$FS mptcp pm-nl-ctl limits 9 1", "", "limit greater than maximum (8)", 1},
		{"pm_nl_ctl usage", "$FS mptcp pm-nl-ctl nonsense", "", "expected add, del", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out, words, code := mptcpShell(t, links+tt.script)
			if code != tt.code || !strings.Contains(out, tt.out) || tt.out == "" && out != "" || !strings.Contains(words, tt.err) || tt.err == "" && words != "" {
				t.Errorf("exit status %d, want %d\n%s\nwant %s\n%s\nwant %s", code, tt.code, out, tt.out, words, tt.err)
			}
		})
	}
}

// mptcpShell runs a script in user and network namespaces of its own.
func mptcpShell(t *testing.T, script string) (stdout, stderr string, code int) {
	t.Helper()
	dir := openFolder(t)
	cmd := exec.Command("unshare", "-rn", "bash", "-c", "ip link set lo up\n"+script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "FS="+filepath.Join(dir, "framescope"), "OUT="+dir, "HOME="+dir, "COLUMNS=80")
	var out, words strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &words
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), words.String(), cmd.ProcessState.ExitCode()
}
