package mptcpctl

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestParseIP(t *testing.T) {
	a := addr("10.0.0.1")
	for line, want := range map[string]Command{
		"endpoint add 10.0.0.1":                       {Verb: VerbAdd, Endpoint: Endpoint{Addr: a}},
		"endpoint add 10.0.0.1 dev eth0 id 3 subflow": {Verb: VerbAdd, Endpoint: Endpoint{ID: 3, Addr: a, Dev: "eth0", Flags: Subflow}},
		"endpoint add signal backup 10.0.0.1 port 80": {Verb: VerbAdd, Endpoint: Endpoint{Addr: a, Port: 80, Flags: Signal | Backup}},
		"endpoint add fd00::1 laminar fullmesh":       {Verb: VerbAdd, Endpoint: Endpoint{Addr: addr("fd00::1"), Flags: Laminar | Fullmesh}},
		"endpoint add 10.0.0.1 id 0x10":               {Verb: VerbAdd, Endpoint: Endpoint{ID: 16, Addr: a}},
		"e a 10.0.0.1 i 3 d eth0":                     {Verb: VerbAdd, Endpoint: Endpoint{ID: 3, Addr: a, Dev: "eth0"}},
		"endpoint del id 3":                           {Verb: VerbDelete, Endpoint: Endpoint{ID: 3}},
		"endpoint delete id 0 10.0.0.1":               {Verb: VerbDelete, Endpoint: Endpoint{Addr: a}},
		"endpoint change id 3 backup nofullmesh":      {Verb: VerbChange, Endpoint: Endpoint{ID: 3, Flags: Backup}},
		"endpoint change 10.0.0.1 port 80 nobackup":   {Verb: VerbChange, Endpoint: Endpoint{Addr: a, Port: 80}},
		"endpoint":                               {Verb: VerbShow},
		"endpoint show":                          {Verb: VerbShow},
		"endpoint show id 255":                   {Verb: VerbShow, Endpoint: Endpoint{ID: 255}},
		"endpoint flush":                         {Verb: VerbFlush},
		"limits":                                 {Verb: VerbShowLimits},
		"limits show":                            {Verb: VerbShowLimits},
		"limits set subflow 3":                   {Verb: VerbSetLimits, Limits: LimitsChange{Subflows: u32(3)}},
		"lim set subflows 3 add_addr_accepted 8": {Verb: VerbSetLimits, Limits: LimitsChange{u32(8), u32(3)}},
		"monitor":                                {Verb: VerbMonitor},
	} {
		if got, err := ParseIP(strings.Fields(line)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", line, got, err)
		}
	}
	for line, want := range map[string]string{
		"":                                      "argument 1 is missing: expected endpoint, limits or monitor",
		"endpoints add":                         `argument 1, "endpoints": expected endpoint, limits or monitor`,
		"endpoint remove":                       `argument 2, "remove": expected add, change, delete, show or flush`,
		"endpoint add":                          "argument 3 is missing: expected an address",
		"endpoint add subflow":                  "argument 4 is missing: expected an address",
		"endpoint add 10.0.0.1 sublow":          `argument 4, "sublow": expected an address, id, dev, port, or one of signal, subflow, backup, fullmesh and laminar; did you mean subflow?`,
		"endpoint add fe80::1%eth0":             `argument 3, "fe80::1%eth0": expected an address, id, dev, port, or one of signal, subflow, backup, fullmesh and laminar`,
		"endpoint add 10.0.0.1 id 256":          `argument 5, "256": expected an id from 0 to 255`,
		"endpoint add 10.0.0.1 id":              "argument 5 is missing: expected an id from 0 to 255",
		"endpoint add 10.0.0.1 dev a/b":         `argument 5, "a/b": expected the name of an interface`,
		"endpoint add 10.0.0.1 port 66000":      `argument 5, "66000": expected a port from 0 to 65535`,
		"endpoint add 10.0.0.1 port 80":         "argument 6 is missing: expected signal, which a port needs",
		"endpoint add 10.0.0.1 signal fullmesh": `argument 5, "fullmesh": expected not both signal and fullmesh`,
		"endpoint add 10.0.0.1 implicit":        `argument 4, "implicit": expected another flag: only the kernel makes implicit endpoints`,
		"endpoint change id 3 signal":           `argument 5, "signal": expected backup, nobackup, fullmesh or nofullmesh: other flags cannot be changed`,
		"endpoint change backup":                "argument 4 is missing: expected id ID, or an address",
		"endpoint change id 3 port 80 backup":   `argument 5, "port": expected no port where there is an id`,
		"endpoint change id 3 dev eth0":         `argument 5, "dev": expected no interface here: it cannot be changed`,
		"endpoint delete":                       "argument 3 is missing: expected id ID",
		"endpoint delete id 0":                  "argument 5 is missing: expected an address, which id 0 needs",
		"endpoint delete id 3 10.0.0.1":         `argument 3, "id": expected id 0 where there is an address`,
		"endpoint delete id 3 subflow":          `argument 5, "subflow": expected no flag here`,
		"endpoint show 10.0.0.1":                "argument 4 is missing: expected id ID in place of the address",
		"endpoint flush now":                    `argument 3, "now": expected nothing more`,
		"limits set":                            "argument 3 is missing: expected subflows or add_addr_accepted",
		"limits set 3":                          `argument 3, "3": expected subflows or add_addr_accepted`,
		"limits set subflows many":              `argument 4, "many": expected a limit from 0 to 8`,
		"limits set subflows 9":                 `argument 4, "9": expected a limit from 0 to 8`,
		"limits get":                            `argument 2, "get": expected set or show`,
	} {
		got, err := ParseIP(strings.Fields(line))
		var syntax *SyntaxError
		if err == nil || err.Error() != want || !errors.As(err, &syntax) {
			t.Errorf("%s: %+v, %v, want %s", line, got, err, want)
		}
	}
}

func TestParsePMNLCtl(t *testing.T) {
	a := addr("10.0.1.1")
	remote := netip.MustParseAddrPort("10.0.1.2:80")
	for line, want := range map[string]Command{
		"add 10.0.1.1": {Verb: VerbAdd, Endpoint: Endpoint{Addr: a}},
		"add 10.0.1.1 flags subflow,backup id 2 dev lo": {Verb: VerbAdd, Endpoint: Endpoint{ID: 2, Addr: a, Flags: Subflow | Backup, Dev: "lo"}},
		"add 10.0.1.1 flags unknown":                    {Verb: VerbAdd, Endpoint: Endpoint{Addr: a, Flags: 1 << 7}},
		"add 10.0.1.1 flags signal port 10100":          {Verb: VerbAdd, Endpoint: Endpoint{Addr: a, Port: 10100, Flags: Signal}},
		"add 10.0.1.1 flags laminar":                    {Verb: VerbAdd, Endpoint: Endpoint{Addr: a, Flags: Laminar}},
		"del 2":                                         {Verb: VerbDelete, Endpoint: Endpoint{ID: 2}},
		"del 0 10.0.1.1":                                {Verb: VerbDelete, Endpoint: Endpoint{Addr: a}},
		"get 2":                                         {Verb: VerbShow, Endpoint: Endpoint{ID: 2}},
		"get 2 token 7":                                 {Verb: VerbShow, Endpoint: Endpoint{ID: 2}, Token: 7, HasToken: true},
		"dump":                                          {Verb: VerbShow},
		"dump token 4294967295":                         {Verb: VerbShow, Token: 4294967295, HasToken: true},
		"flush":                                         {Verb: VerbFlush},
		"limits":                                        {Verb: VerbShowLimits},
		"limits 1 9":                                    {Verb: VerbSetLimits, Limits: LimitsChange{u32(1), u32(9)}},
		"set 10.0.1.1 flags backup":                     {Verb: VerbChange, Endpoint: Endpoint{Addr: a, Flags: Backup}},
		"set id 2 flags nobackup,fullmesh":              {Verb: VerbChange, Endpoint: Endpoint{ID: 2, Flags: Fullmesh}},
		"set 10.0.1.1 port 5 flags backup token 7 rip 10.0.1.2 rport 80": {Verb: VerbChange, Endpoint: Endpoint{Addr: a, Port: 5, Flags: Backup}, Token: 7, HasToken: true, Remote: remote},
		"ann 10.0.1.1 token 7 id 3 port 8 dev lo":                        {Verb: VerbAnnounce, Endpoint: Endpoint{ID: 3, Addr: a, Port: 8, Flags: Signal, Dev: "lo"}, Token: 7, HasToken: true},
		"rem token 7 id 3": {Verb: VerbRemove, Endpoint: Endpoint{ID: 3}, Token: 7, HasToken: true},
		"csf lip 10.0.1.1 lid 3 rip 10.0.1.2 rport 80 token 7":   {Verb: VerbCreateSubflow, Endpoint: Endpoint{ID: 3, Addr: a, Flags: Subflow}, Remote: remote, Token: 7, HasToken: true},
		"dsf lip 10.0.1.1 lport 5 rip 10.0.1.2 rport 80 token 7": {Verb: VerbDestroySubflow, Endpoint: Endpoint{Addr: a, Port: 5}, Remote: remote, Token: 7, HasToken: true},
		"events":             {Verb: VerbMonitor},
		"listen 10.0.1.1 80": {Verb: VerbListen, Endpoint: Endpoint{Addr: a, Port: 80}},
	} {
		if got, err := ParsePMNLCtl(strings.Fields(line)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", line, got, err)
		}
	}
	for line, want := range map[string]string{
		"":                               "argument 1 is missing: expected add, del, get, dump, flush, limits, set, ann, rem, csf, dsf, events or listen",
		"add":                            "argument 2 is missing: expected an IPv4 or IPv6 address",
		"add x":                          `argument 2, "x": expected an IPv4 or IPv6 address`,
		"add 10.0.1.1 flags sub":         `argument 4, "sub": expected flags separated by commas: signal, subflow, backup, fullmesh, laminar`,
		"add 10.0.1.1 token 1":           `argument 3, "token": expected flags, id, dev, port`,
		"del 0":                          "argument 3 is missing: expected an IPv4 or IPv6 address",
		"get 0":                          `argument 2, "0": expected an id from 1 to 255`,
		"limits 1":                       "argument 3 is missing: expected a limit from 0 to 4294967295",
		"set id 2 flags signal":          `argument 5, "signal": expected flags separated by commas: backup, nobackup, fullmesh, nofullmesh`,
		"set id 2 port 3 flags backup":   `argument 4, "port": expected nothing more: a port goes with an address, not with an id`,
		"csf lip 10.0.1.1 lid 3 token 7": "argument 8 is missing: expected rip",
		"ann 10.0.1.1 id 3":              "argument 5 is missing: expected token",
		"rem token 4294967296 id 3":      `argument 3, "4294967296": expected a token from 0 to 4294967295`,
	} {
		if got, err := ParsePMNLCtl(strings.Fields(line)); err == nil || err.Error() != want {
			t.Errorf("%s: %+v, %v, want %s", line, got, err, want)
		}
	}
}

func TestAppend(t *testing.T) {
	for _, tt := range []struct {
		e      Endpoint
		ip, pm string
	}{
		{Endpoint{ID: 2, Addr: addr("10.0.1.2"), Flags: Subflow, Dev: "lo", IfIndex: 1},
			"10.0.1.2 id 2 subflow dev lo \n", "id 2 flags subflow dev lo 10.0.1.2\n"},
		{Endpoint{ID: 1, Addr: addr("10.0.1.1")}, "10.0.1.1 id 1 \n", "id 1 flags  10.0.1.1\n"},
		{Endpoint{ID: 3, Addr: addr("10.0.1.1"), Port: 5000, Flags: Signal | Backup | Laminar | 1<<7},
			"10.0.1.1 port 5000 id 3 signal backup laminar rawflags 80 \n", "id 3 flags signal,laminar,backup,0x80 10.0.1.1 5000\n"},
		{Endpoint{ID: 3, Addr: addr("10.0.1.1"), Flags: Subflow | Fullmesh | Implicit, IfIndex: 7},
			"10.0.1.1 id 3 subflow fullmesh implicit \n", "id 3 flags subflow,fullmesh,implicit dev unknown/710.0.1.1\n"},
	} {
		if got := string(tt.e.AppendIP(nil)); got != tt.ip {
			t.Errorf("ip: %q, want %q", got, tt.ip)
		}
		if got := string(tt.e.AppendPMNLCtl(nil)); got != tt.pm {
			t.Errorf("pm_nl_ctl: %q, want %q", got, tt.pm)
		}
	}
	l := Limits{AddAddrAccepted: 1, Subflows: 2}
	if a, b := string(l.AppendIP(nil)), string(l.AppendPMNLCtl(nil)); a != "add_addr_accepted 1 subflows 2 \n" || b != "accept 1\nsubflows 2\n" {
		t.Errorf("%q, %q", a, b)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for _, tt := range []struct {
		e            Event
		ip, pm, json string
	}{
		{Event{Time: at, Type: EventSubClosed, Attrs: AttrToken | AttrFamily | AttrLocalID | AttrRemoteID | AttrLocalAddr | AttrRemoteAddr | AttrLocalPort | AttrRemotePort | AttrBackup | AttrError | AttrResetReason | AttrResetFlags | AttrIfIndex,
			Token: 0x4d2, Family: 2, LocalID: 1, Local: netip.MustParseAddrPort("10.0.0.1:1"), Remote: netip.MustParseAddrPort("10.0.0.2:2"), Error: 104, ResetReason: 6, ResetFlags: 1, IfIndex: 3},
			"[       SF_CLOSED] token=000004d2 remid=0 locid=1 saddr4=10.0.0.1 daddr4=10.0.0.2 sport=1 dport=2 backup=0 error=104 ifindex=3 reset_reason=6 reset_flags=0x1\n",
			"type:11,token:1234,family:2,loc_id:1,rem_id:0,saddr4:10.0.0.1,daddr4:10.0.0.2,sport:1,dport:2,backup:0,error:104\n",
			`{"ts":"2026-01-02T03:04:05.000000006Z","event":"sub_closed","token":"000004d2","local":{"ip":"10.0.0.1","port":1,"id":1},"remote":{"ip":"10.0.0.2","port":2,"id":0},"backup":false,"error":{"code":104,"text":"connection reset by peer"},"reset_reason":{"code":6,"text":"middlebox interference"},"reset_transient":true,"if_index":3}`},
		{Event{Time: at, Type: EventCreated, Attrs: AttrToken | AttrFamily | AttrLocalAddr | AttrFlags, Token: 1, Family: 10, Local: netip.MustParseAddrPort("[::ffff:10.0.0.1]:0"), Flags: 3},
			"[         CREATED] token=00000001 saddr6=::ffff:10.0.0.1 flags=3\n",
			"type:1,token:1,family:10,saddr6:::ffff:10.0.0.1,deny_join_id0:1,server_side:1\n",
			`{"ts":"2026-01-02T03:04:05.000000006Z","event":"created","token":"00000001","local":{"ip":"10.0.0.1"},"deny_join_id0":true,"server_side":true}`},
		{Event{Time: at, Type: 42}, "[UNKNOWN 42]\n", "type:42\n", `{"ts":"2026-01-02T03:04:05.000000006Z","event":"event_42"}`},
		{Event{Time: at, Type: EventLost}, "[            LOST]\n", "type:256\n", `{"ts":"2026-01-02T03:04:05.000000006Z","event":"lost"}`},
	} {
		if got := string(tt.e.AppendIP(nil)); got != tt.ip {
			t.Errorf("ip: %q, want %q", got, tt.ip)
		}
		if got := string(tt.e.AppendPMNLCtl(nil)); got != tt.pm {
			t.Errorf("pm_nl_ctl: %q, want %q", got, tt.pm)
		}
		if got, err := tt.e.MarshalJSON(); err != nil || string(got) != tt.json {
			t.Errorf("json: %s, %v, want %s", got, err, tt.json)
		}
	}
}

func TestCountersText(t *testing.T) {
	all, err := parseCounters(nil, "TcpExt: SyncookiesSent IPReversePathFilter\nTcpExt: 1 2\nMPTcpExt: MPCapableSYNTX NewInSomeKernel MPCurrEstab\nMPTcpExt: 3 4 5\n", meant)
	if err != nil || !reflect.DeepEqual(all, Counters{{"TcpExt", "IPReversePathFilter", 2}, {"MPTcpExt", "MPCapableSYNTX", 3}, {"MPTcpExt", "NewInSomeKernel", 4}, {"MPTcpExt", "MPCurrEstab", 5}}) {
		t.Errorf("%v, %v", all, err)
	}
	all = parseCounters6(all, "Ip6InReceives                   \t7\nIp6OutNoRoutes 8\nUdp6RcvbufErrors 9\nbroken\n", meant)
	if v, ok := all.Get("Ip6OutNoRoutes"); !ok || v != 8 || len(all) != 5 {
		t.Errorf("%v", all)
	}
	udp := parseCounters6(nil, "Ip6OutNoRoutes 8\nUdp6RcvbufErrors 9\nUdpLite6RcvbufErrors x\nnumber 6\n", func(_, name string) bool { return name == "RcvbufErrors" })
	if !reflect.DeepEqual(udp, Counters{{"Udp6", "RcvbufErrors", 9}}) {
		t.Errorf("%v", udp)
	}
	before := Counters{{"MPTcpExt", "MPCapableSYNTX", 1}, {"MPTcpExt", "MPCurrEstab", 9}, {"MPTcpExt", "GoneInThisKernel", 1}}
	diff := all.Since(before)
	for name, want := range map[string]int64{"MPTcpExtMPCapableSYNTX": 2, "MPTcpExtNewInSomeKernel": 4, "MPTcpExtMPCurrEstab": 5} {
		if v, _ := diff.Get(name); v != want {
			t.Errorf("%s: %d, want %d", name, v, want)
		}
	}
	for text, want := range map[string]string{
		"TcpExt x\n1\n":              "line 1: no group",
		"A: x\nB: 1\n":               "line 2: expected the values of A",
		"A: x y\nA: 1\n":             "line 2: 1 values for 2 names",
		"MPTcpExt: x\nMPTcpExt: y\n": `line 2: x: "y" is no number`,
	} {
		if _, err := parseCounters(nil, text, meant); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
