package mptcpctl

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func u32(n uint32) *uint32 { return &n }

func TestDiff(t *testing.T) {
	sub := Endpoint{ID: 1, Addr: addr("10.0.0.1"), Flags: Subflow, Dev: "eth0", IfIndex: 2}
	sig := Endpoint{ID: 2, Addr: addr("10.0.0.2"), Flags: Signal}
	imp := Endpoint{ID: 3, Addr: addr("10.0.0.3"), Flags: Implicit}
	have := State{Endpoints: []Endpoint{sub, sig, imp}, Limits: &LimitsChange{u32(0), u32(2)}, Sysctls: map[string]string{"enabled": "1", "stale_loss_cnt": "4"}}
	with := func(e Endpoint, f func(*Endpoint)) Endpoint { f(&e); e.IfIndex = 0; return e }
	wantSub := with(sub, func(*Endpoint) {})
	anyID := with(sub, func(e *Endpoint) { e.ID = 0 })
	for _, tt := range []struct {
		name string
		want State
		diff []string
	}{
		{"nothing asked", State{}, nil},
		{"same", State{Endpoints: []Endpoint{wantSub, sig}, Limits: have.Limits, Sysctls: map[string]string{"enabled": " 1\n"[:2]}}, nil},
		{"any id", State{Endpoints: []Endpoint{sig, anyID}}, nil},
		{"none", State{Endpoints: []Endpoint{}}, []string{"endpoint delete id 1 (10.0.0.1 id 1 subflow dev eth0)", "endpoint delete id 2 (10.0.0.2 id 2 signal)"}},
		{"limits", State{Limits: &LimitsChange{Subflows: u32(4), AddAddrAccepted: u32(0)}}, []string{"limits set subflows 4 (was subflows 2)"}},
		{"sysctl", State{Sysctls: map[string]string{"stale_loss_cnt": "8", "enabled": "1"}}, []string{"sysctl net.mptcp.stale_loss_cnt=8 (was 4)"}},
		{"flags", State{Endpoints: []Endpoint{with(anyID, func(e *Endpoint) { e.Flags |= Backup }), sig}},
			[]string{"endpoint change id 1 backup nofullmesh (was subflow)"}},
		{"other flags", State{Endpoints: []Endpoint{with(anyID, func(e *Endpoint) { e.Flags |= Signal }), sig}},
			[]string{"endpoint delete id 1 (10.0.0.1 id 1 subflow dev eth0)", "endpoint add 10.0.0.1 signal subflow dev eth0"}},
		{"other dev", State{Endpoints: []Endpoint{with(anyID, func(e *Endpoint) { e.Dev = "" }), sig}},
			[]string{"endpoint delete id 1 (10.0.0.1 id 1 subflow dev eth0)", "endpoint add 10.0.0.1 subflow"}},
		{"ids swapped", State{Endpoints: []Endpoint{with(sub, func(e *Endpoint) { e.ID = 2 }), with(sig, func(e *Endpoint) { e.ID = 1 })}},
			[]string{"endpoint delete id 1 (10.0.0.1 id 1 subflow dev eth0)", "endpoint delete id 2 (10.0.0.2 id 2 signal)",
				"endpoint add 10.0.0.1 id 2 subflow dev eth0", "endpoint add 10.0.0.2 id 1 signal"}},
		{"id of another", State{Endpoints: []Endpoint{anyID, sig, {ID: 1, Addr: addr("10.0.0.7"), Flags: Signal}}},
			[]string{"endpoint delete id 1 (10.0.0.1 id 1 subflow dev eth0)", "endpoint add 10.0.0.7 id 1 signal", "endpoint add 10.0.0.1 subflow dev eth0"}},
		{"implicit", State{Endpoints: []Endpoint{wantSub, sig, {Addr: imp.Addr, Flags: Subflow}}}, []string{"endpoint add 10.0.0.3 subflow"}},
		{"implicit with an id", State{Endpoints: []Endpoint{wantSub, sig, {ID: 9, Addr: imp.Addr, Flags: Subflow}}},
			[]string{"endpoint delete id 3 (10.0.0.3 id 3 implicit)", "endpoint add 10.0.0.3 id 9 subflow"}},
	} {
		diff, err := Diff(have, tt.want)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		var got []string
		for _, c := range diff {
			got = append(got, c.String())
		}
		if !reflect.DeepEqual(got, tt.diff) {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, strings.Join(got, "\n"), strings.Join(tt.diff, "\n"))
		}
	}
	for _, tt := range []struct {
		want State
		err  string
	}{
		{State{Endpoints: make([]Endpoint, 9)}, "9 endpoints: the kernel keeps 8"},
		{State{Endpoints: make([]Endpoint, 1)}, "endpoint 1: an address is missing"},
		{State{Endpoints: []Endpoint{sub, with(sub, func(e *Endpoint) { e.ID = 8 })}}, "endpoint 10.0.0.1: it is there twice"},
		{State{Endpoints: []Endpoint{sub, with(sig, func(e *Endpoint) { e.ID = 1 })}}, "endpoint 10.0.0.2: id 1 is there twice"},
		{State{Endpoints: []Endpoint{imp}}, "endpoint 10.0.0.3: only the kernel makes implicit endpoints"},
		{State{Endpoints: []Endpoint{{Addr: addr("10.0.0.1"), Flags: Signal | Fullmesh}}}, "endpoint 10.0.0.1: the flags signal and fullmesh exclude one another"},
		{State{Endpoints: []Endpoint{{Addr: addr("10.0.0.1"), Flags: Subflow, Port: 1}}}, "endpoint 10.0.0.1: a port needs the flag signal, without subflow"},
		{State{Limits: &LimitsChange{Subflows: u32(9)}}, "limits: subflows 9: expected 0 to 8"},
		{State{Sysctls: map[string]string{"nothere": "1"}}, "sysctl net.mptcp.nothere: this kernel has none of that name that can be set"},
		{State{Sysctls: map[string]string{"../x": "1"}}, `sysctls: "../x": expected a name without the net.mptcp before it`},
		{State{Sysctls: map[string]string{"enabled": ""}}, `sysctls: enabled: "" is no value`},
	} {
		if diff, err := Diff(have, tt.want); err == nil || err.Error() != tt.err || diff != nil {
			t.Errorf("%v, %v, want %s", diff, err, tt.err)
		}
	}
}

func TestEndpointJSON(t *testing.T) {
	for text, want := range map[string]Endpoint{
		`{"address":"10.0.0.1","port":80,"id":3,"signal":true,"backup":true,"dev":"eth0"}`: {ID: 3, Addr: addr("10.0.0.1"), Port: 80, Flags: Signal | Backup, Dev: "eth0"},
		`{"address":"fd00::1","subflow":true,"fullmesh":true,"laminar":true}`:              {Addr: addr("fd00::1"), Flags: Subflow | Fullmesh | Laminar},
		`{"address":"10.0.0.1","id":1,"implicit":true,"rawflags":"c0"}`:                    {ID: 1, Addr: addr("10.0.0.1"), Flags: Implicit | 0xc0},
	} {
		var e Endpoint
		if err := json.Unmarshal([]byte(text), &e); err != nil || e != want {
			t.Errorf("%s: %v, %v", text, e, err)
		}
		if b, err := json.Marshal(want); err != nil || string(b) != text {
			t.Errorf("%s, %v, want %s", b, err, text)
		}
	}
	var e Endpoint
	if err := json.Unmarshal([]byte(`{"address":"10.0.0.1","flags":["subflow","laminar"],"rawflags":"2"}`), &e); err != nil || e.Flags != Subflow|Laminar {
		t.Errorf("%v, %v", e, err)
	}
	// iproute2 6.1 prints laminar as it prints what it does not know.
	if err := json.Unmarshal([]byte(`{"address":"10.0.0.1","rawflags":"20"}`), &e); err != nil || e.Flags != Laminar {
		t.Errorf("%v, %v", e, err)
	}
	for text, want := range map[string]string{
		`{"address":"10.0.0.1","flags":["sublow"]}`: `endpoint 10.0.0.1: there is no flag "sublow": expected signal, subflow, backup, fullmesh or laminar`,
		`{"address":"10.0.0.1","rawflags":"zz"}`:    `endpoint 10.0.0.1: rawflags "zz": expected a hexadecimal number`,
	} {
		if err := json.Unmarshal([]byte(text), &e); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	// YAML libraries hand over a function that decodes.
	fromJSON := func(text string) func(any) error {
		return func(v any) error { return json.Unmarshal([]byte(text), v) }
	}
	if err := e.UnmarshalYAML(fromJSON(`{"address":"10.0.0.1","flags":["backup"]}`)); err != nil || e.Flags != Backup {
		t.Errorf("%v, %v", e, err)
	}
}
