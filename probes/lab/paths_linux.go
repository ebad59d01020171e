package lab

import (
	"net/netip"
	"slices"
	"time"

	"framescope/mptcpctl"
)

// routes are those where addresses, interfaces and routes do not fit together.
func routes() []*Scenario {
	lost := []Evidence{exactly("client", synTx, 1), exactly("client", synAckRx, 0), atLeast("client", resent, 1)}
	refused := append(lost, atLeast("server", "TcpExtIPReversePathFilter", 1), exactly("server", synRx, 0))
	return []*Scenario{
		{Name: "e_wrong_dev", Shows: "the endpoint of link 2 is bound to the interface of link 1, and the server is strict (rp_filter)",
			setup: all(strict, endpoint("client", "10.77.2.1 dev c1 subflow")), Evidence: refused,
			Expect: []Expect{known("client", "mptcp-endpoint-wrong-dev"), known("server", "mptcp-rp-filter")}},
		{Name: "e_no_srcroute", Shows: "no source routes: the SYN of link 2 leaves by link 1, and the server is strict (rp_filter)",
			setup: all(strict, noSourceRoutes, endpoint("client", "10.77.2.1 subflow")), Evidence: refused,
			Expect: []Expect{known("client", "mptcp-no-source-route"), known("server", "mptcp-rp-filter")}},
		{Name: "e_no_srcroute_norpf", Shows: "no source routes, and nobody is strict: two subflows over one cable",
			setup:    all(noSourceRoutes, endpoint("client", "10.77.2.1 subflow")),
			Evidence: []Evidence{exactly("client", synTx, 1), exactly("server", ackRx, 1)},
			Expect:   []Expect{known("client", "mptcp-shared-cable", "mptcp-no-source-route"), unknown("server", "client")}},
		{Name: "e_asym_return", Shows: "the server answers the join by link 1: the answer comes to the wrong interface, and is reset",
			setup: all(second, func(l *Lab) error {
				s := l.Host("server")
				if err := s.AddSourceRule(s.Addr(1), 1); err != nil {
					return err
				}
				return s.Route(netip.MustParsePrefix("0.0.0.0/0"), s.Interface(1).Peer, 1, SourceTable(1))
			}),
			Evidence: append(lost, atLeast("server", synRx, 1), exactly("server", ackRx, 0), atLeast("client", "TcpOutRsts", 1)),
			Expect:   []Expect{partly("client", "server", "mptcp-join-unanswered"), known("server", "mptcp-join-incomplete")}},
		{Name: "e_addr_absent", Shows: "the endpoint's address is on no interface",
			setup:    endpoint("client", "10.77.2.77 subflow"),
			Evidence: []Evidence{exactly("client", synTx, 0), exactly("client", "MPTcpExtMPJoinSynTxBindErr", 1)},
			Expect:   []Expect{known("client", "mptcp-endpoint-absent")}},
		{Name: "e_link_down", Shows: "the endpoint's interface is down",
			setup:    all(func(l *Lab) error { return l.Host("client").SetLink(2, false) }, second),
			Evidence: []Evidence{exactly("client", synTx, 0), exactly("client", "MPTcpExtMPJoinSynTxConnectErr", 1)},
			Expect:   []Expect{known("client", "mptcp-endpoint-link-down")}},
	}
}

// bursts are 100 kB two times a second: more than one link of 10 Mbit/s takes at
// once, so both are used, and each is idle mostly. The kernel sends lost data again
// only over a subflow that is idle, and calls no other one stale.
func bursts() ConnectConfig { return ConnectConfig{Rate: 1_600_000, Every: 500 * time.Millisecond} }

// narrow are the links for bursts, with a kernel that calls a subflow stale a
// little sooner than by default.
func narrow() *Config {
	c := Two(2, 10_000_000)
	for i := range c.Hosts {
		c.Hosts[i].MPTCP.Sysctls = map[string]string{"stale_loss_cnt": "3"}
	}
	return c
}

// goesOn waits until bytes come back that were sent after the fault, and data was
// sent again on another subflow or a subflow was called stale: which of the two
// comes first, and whether the other comes at all, depends on what was on its way.
func goesOn() func(*Run) (string, bool) {
	first := int64(-1)
	return func(r *Run) (string, bool) {
		if first < 0 {
			first = r.Client.Received()
		}
		again, err := r.Host("client").Counter("MPTcpExtMPTCPRetrans")
		stale, err2 := r.Host("client").Counter("MPTcpExtSubflowStale")
		if err != nil || err2 != nil || again+stale == 0 {
			return "client MPTcpExtMPTCPRetrans or MPTcpExtSubflowStale >= 1", false
		}
		return "bytes that come back after the fault", r.Client.Received() > first+8192
	}
}

// silent waits for goesOn, and until both ends know a subflow to be silent: what
// was sent again once may only have been late.
func silent() func(*Run) (string, bool) {
	on := goesOn()
	var s mptcpctl.Snapshot
	return func(r *Run) (string, bool) {
		if what, ok := on(r); !ok {
			return what, false
		}
		for _, h := range r.Hosts() {
			if err := h.MPTCP().Snapshot(&s, mptcpctl.Query{}); err != nil || !slices.ContainsFunc(s.Connections, func(c mptcpctl.Connection) bool {
				return slices.ContainsFunc(c.Subflows, func(sub mptcpctl.SubflowInfo) bool { return sub.Silent() })
			}) {
				return h.Name + ": a silent subflow", false
			}
		}
		return "", true
	}
}

// both waits until the client has sent data over both links.
func both(r *Run) (string, bool) {
	for link := 1; link <= 2; link++ {
		if n, err := r.Host("client").Sent(link); err != nil || n < 50_000 {
			return "data on both links", false
		}
	}
	return "", true
}

// faults are those where something happens to an open connection, and those that
// belong nowhere else.
func faults() []*Scenario {
	joined := []Evidence{atLeast("server", ackRx, 1)}
	return []*Scenario{
		{Name: "f_stale", Shows: "link 2 goes silent while both subflows carry data: one is stale, its data goes by link 1",
			config: narrow(), setup: second, connect: bursts(), before: joined, ready: both,
			fault: all(box("server", Rule{In: "s2"}), box("client", Rule{In: "c2"})), also: silent(),
			Evidence: []Evidence{exactly("server", ackRx, 1)},
			Expect:   []Expect{known("client", "mptcp-stale"), partly("server", "client", "mptcp-stale")}},
		{Name: "f_link_removed", Shows: "link 2 goes down at the server in the middle of a connection",
			config: narrow(), setup: second, connect: bursts(), before: joined, ready: both,
			fault: func(l *Lab) error { return l.Host("server").SetLink(2, false) }, also: goesOn(),
			Evidence: []Evidence{exactly("server", ackRx, 1)},
			Expect:   []Expect{known("client", "mptcp-stale", "mptcp-endpoint-link-down"), partly("server", "client", "mptcp-stale")}},
		{Name: "f_endpoint_removed", Shows: "the client's endpoint is deleted in the middle of a connection: RM_ADDR, and the subflow is closed",
			setup: endpoint("client", "10.77.2.1 dev c2 id 5 subflow"), before: joined,
			fault:    func(l *Lab) error { return l.Host("client").Endpoint("endpoint delete id 5") },
			Evidence: []Evidence{exactly("client", "MPTcpExtRmAddrTx", 1), exactly("server", "MPTcpExtRmAddr", 1), atLeast("client", "MPTcpExtRmSubflow", 1)}},
		{Name: "f_deny_join_id0", Shows: "the server takes no joins to its first address (as behind a balancer), and signals none",
			setup:    all(second, sysctl("server", "net.mptcp.allow_join_initial_addr_port", "0")),
			Evidence: []Evidence{exactly("client", synTx, 0), atLeast("server", "MPTcpExtMPCapableACKRX", 1)},
			Expect:   []Expect{known("client", "mptcp-deny-join"), known("server", "mptcp-deny-join")}},
		{Name: "f_wrong_backend", Shows: "a balancer sends the join to another backend, which does not know the token",
			config: &Config{
				Hosts: []HostConfig{{Name: "client", SourceRoutes: true}, {Name: "server"}, {Name: "backend"}},
				Links: []LinkConfig{{A: "client", B: "server"}, {A: "client", B: "backend"}},
			},
			setup: all(second, address("backend", 0, "10.77.1.2/32", false), func(l *Lab) error {
				_, err := l.Host("backend").Serve(l.ctx, ServeConfig{Addr: netip.AddrPortFrom(netip.IPv4Unspecified(), Port)})
				return err
			}),
			Evidence: []Evidence{exactly("client", synTx, 1), exactly("client", synAckRx, 0), atLeast("backend", "MPTcpExtMPJoinNoTokenFound", 1), exactly("server", synRx, 0)},
			Expect:   []Expect{partly("client", "backend", "mptcp-join-refused"), unknown("server", "client"), known("backend", "mptcp-join-unknown-token")}},
		{Name: "f_backup_failover", Shows: "link 1 goes silent: the backup subflow on link 2 takes over",
			config: narrow(), setup: endpoint("client", "10.77.2.1 dev c2 subflow backup"), connect: ConnectConfig{Rate: 1_600_000}, before: joined,
			fault: all(box("server", Rule{In: "s1"}), box("client", Rule{In: "c1"})), also: silent(),
			Evidence: []Evidence{exactly("server", ackRx, 1)},
			Expect:   []Expect{known("client", "mptcp-stale"), partly("server", "client", "mptcp-stale")}},
		{Name: "f_payload_corrupt", Shows: "a middlebox rewrites data on link 2, and DSS checksums are on: MP_FAIL, and the subflow is reset",
			config:  narrow(),
			setup:   all(second, sysctl("client", "net.mptcp.checksum_enabled", "1"), sysctl("server", "net.mptcp.checksum_enabled", "1")),
			connect: bursts(), before: joined, ready: both,
			fault:    box("server", Rule{In: "s2", DstPort: Port, MinLen: 200, Action: Corrupt}),
			Evidence: []Evidence{atLeast("server", "MPTcpExtDataCsumErr", 1), atLeast("server", "MPTcpExtMPFailTx", 1), atLeast("client", "MPTcpExtMPFailRx", 1)},
			Expect:   []Expect{known("client", "mptcp-checksum"), known("server", "mptcp-checksum")}},
		{Name: "f_userspace_nopm", Shows: "the client's path manager is to be a process, and there is none: endpoints are ignored",
			config: func() *Config {
				c := Two(2, 0)
				c.Hosts[0].MPTCP = mptcpctl.State{Sysctls: map[string]string{"path_manager": "userspace"}}
				return c
			}(),
			setup:    second,
			Evidence: []Evidence{exactly("client", synTx, 0), atLeast("server", "MPTcpExtMPCapableACKRX", 1)},
			Expect:   []Expect{known("client", "mptcp-userspace-pm")}},
		{Name: "f_server_endpoint_both", Shows: "the server has a subflow endpoint, and the client's firewall takes no connections: an endpoint for nothing",
			// As long as nobody has accepted the connection, the server cannot send
			// a SYN; on a busy host that is often so.
			serve:    ServeConfig{Pause: 300 * time.Millisecond},
			setup:    all(endpoint("server", "10.77.2.2 dev s2 subflow"), box("client", Rule{Hook: Input, Segment: SYN})),
			Evidence: []Evidence{exactly("server", "MPTcpExtMPJoinSynTxCreatSkErr", 1), exactly("server", synTx, 0)},
			Expect:   []Expect{known("server", "mptcp-endpoint-unused")}},
	}
}
