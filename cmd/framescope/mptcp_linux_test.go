package main

import (
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
		{"usage", "$FS mptcp endpoint add 10.9.0.1 sublow", "", "fullmesh and laminar; did you mean subflow?\n  see: framescope mptcp endpoint --help\n", 2},
		{"flags are not cut", "$FS mptcp endpoint add 2001:db8:1111:2222:3333:4444:5555:6666 subflow backup fullmesh 2>/dev/null; $FS mptcp endpoint",
			"id  address                                 port  dev  flags\n1   2001:db8:1111:2222:3333:4444:5555:6666             subflow backup fullmesh\n", "", 0},
		{"limits maximum", "$FS mptcp limits set subflows 9", "", `framescope: mptcp limits: argument 3, "9": expected a limit from 0 to 8`, 2},
		{"limits negative", "$FS mptcp limits set subflows -1", "", "framescope: mptcp limits: -1: no number here is negative\n", 2},
		{"sysctl set", "$FS mptcp sysctl set stale_loss_cnt=9", "", "framescope: mptcp sysctl: \"set\" is no name: expected NAME or NAME=VALUE\n  try: framescope mptcp sysctl stale_loss_cnt=9\n", 2},
		{"sysctl JSON", "$FS mptcp sysctl enabled -o json", `[{"schema":"1.0","type":"mptcp_sysctl","name":"enabled","value":"1"`, "", 0},
		{"apply what cannot be", `echo '{"endpoints":[{"address":"10.9.0.1","dev":"e0"},{"address":"10.8.0.1","dev":"e9"}],"limits":{"subflows":8}}' >$OUT/s
			$FS mptcp apply -f $OUT/s; echo $?; ip mptcp limits; ip mptcp endpoint`, "1\nadd_addr_accepted 0 subflows 2 \n", `framescope: mptcp endpoint add 10.8.0.1 dev e9: there is no interface "e9"`, 0},
		{"apply no number", `echo '{"sysctls":{"stale_loss_cnt":"many"},"limits":{"subflows":8}}' | $FS mptcp apply -f -; ip mptcp limits`, "add_addr_accepted 0 subflows 2 \n", `sysctl net.mptcp.stale_loss_cnt: "many": expected a number`, 0},
		{"apply JSON of a wrong kind", `printf '{\n "limits": {"subflows": "four"}}' | $FS mptcp apply -f -`, "", "framescope: -: line 2, column 32: limits.subflows: expected a number that is not negative, found string\n", 2},
		{"empty selector", "$FS mptcp show --dst ''", "", "framescope: --dst is empty: leave it out to choose all\n", 2},
		{"verify negative", "$FS mptcp verify --subflows=-1", "", "framescope: --subflows -1: expected 0 or more\n", 2},
		{"gauge", "$FS mptcp counters --all -o jsonl --interval 10ms --count 1 | grep Curr", `"name":"MPTcpExtMPCurrEstab","value":0,"gauge":true,"meaning"`, "", 0},
		{"doctor finds no such", "$FS mptcp doctor --dst :4711 --for 0", "warning: mptcp-no-connection   there is no such connection\n", "", 1},
		{"doctor stopped", "$FS mptcp doctor --for 20s & pid=$!; sleep 0.4; kill -INT $pid; wait $pid; echo $?", "what was looked at is the configuration and the counters\n130\n", "", 0},
		{"verify stopped", "$FS mptcp verify --within 20s >$OUT/v & pid=$!; sleep 0.4; kill -INT $pid; wait $pid; echo $?", "130\n", "", 0},
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
		{"apply a typo", `echo '{"endpoints":[{"adress":"10.9.0.1"}]}' | $FS mptcp apply -f -`, "", `framescope: -: line 1, column 37: endpoint: unknown field "adress"`, 2},
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
		{"verify nothing as JUnit, sums", "$FS mptcp verify --within 100ms -o junit", `<testsuites tests="1" failures="1" time="`, "", 1},
		{"verify nothing as JSON", "$FS mptcp verify --within 300ms -o jsonl", `"ok":false,"reason":"no MPTCP connection was seen"`, "", 1},
		{"verify usage", "$FS mptcp verify --min-share 2", "", "framescope: --min-share 2: expected more than 0, and 1 at most\n", 2},
		{"doctor", "$FS mptcp doctor --for 0", "nothing wrong was found: 0 MPTCP connections", "", 0},
		{"doctor without rights", "setpriv --bounding-set=-all --inh-caps=-all $FS mptcp doctor --for 10ms -o jsonl", `"ok":true,"connections":[],"findings":[]}`, "", 0},
		{"doctor disabled", "$FS mptcp sysctl enabled=0 >/dev/null; $FS mptcp doctor --for 0", "error: mptcp-disabled   MPTCP is off in this network namespace\n", "", 1},
		{"doctor never fails", "$FS mptcp sysctl enabled=0 >/dev/null; $FS mptcp doctor --for 0 --fail never -o jsonl", `{"schema":"1.0","type":"mptcp_doctor","ts":`, "", 0},
		{"doctor routes", "$FS mptcp endpoint add 10.8.0.1 subflow 2>/dev/null; $FS mptcp doctor --for 0", "error: mptcp-no-source-route", "", 1},
		{"doctor usage", "$FS mptcp doctor --fail often", "", `framescope: --fail "often": expected note, warning, error or never`, 2},
		{"pm_nl_ctl", `P="$FS mptcp pm-nl-ctl"; $P add 10.0.1.1; $P add 10.0.1.2 flags subflow,unknown dev lo; $P dump; $P get 2; $P limits 1 8; $P limits; $P del 1; $P flush; $P dump`,
			"id 1 flags  10.0.1.1\nid 2 flags subflow dev lo 10.0.1.2\nid 2 flags subflow dev lo 10.0.1.2\naccept 1\nsubflows 8\n", "", 0},
		{"pm_nl_ctl refused", "$FS mptcp pm-nl-ctl limits 9 1", "", "limit greater than maximum (8)", 1},
		{"pm_nl_ctl usage", "$FS mptcp pm-nl-ctl nonsense", "", "expected add, del", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out, words, code := shellAs(t, []string{"unshare", "-rn"}, links+tt.script)
			if code != tt.code || !strings.Contains(out, tt.out) || tt.out == "" && out != "" || !strings.Contains(words, tt.err) || tt.err == "" && words != "" {
				t.Errorf("exit status %d, want %d\n%s\nwant %s\n%s\nwant %s", code, tt.code, out, tt.out, words, tt.err)
			}
		})
	}
}
