package lab

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"framescope/mptcpctl"
)

// Scenarios returns all scenarios.
func Scenarios() []*Scenario {
	return slices.Concat(fine(), ends(), boxes(), limits(), signals(), routes(), faults())
}

// Counters that are looked at often.
const (
	synTx     = "MPTcpExtMPJoinSynTx"
	synRx     = "MPTcpExtMPJoinSynRx"
	synAckRx  = "MPTcpExtMPJoinSynAckRx"
	ackRx     = "MPTcpExtMPJoinAckRx"
	fallback  = "MPTcpExtMPCapableFallbackSYNACK"
	capableRx = "MPTcpExtMPCapableSYNRX"
	addAddr   = "MPTcpExtAddAddr"
	resent    = "TcpExtTCPSynRetrans"
)

func atLeast(host, counter string, n int64) Evidence { return Evidence{host, counter, n, -1} }
func exactly(host, counter string, n int64) Evidence { return Evidence{host, counter, n, n} }

func known(host string, causes ...string) Expect    { return Expect{host, causes, ""} }
func unknown(host, ask string) Expect               { return Expect{host, []string{}, ask} }
func partly(host, ask string, ids ...string) Expect { return Expect{host, ids, ask} }

// all does several things in order.
func all(steps ...func(*Lab) error) func(*Lab) error {
	return func(l *Lab) error {
		for _, s := range steps {
			if err := s(l); err != nil {
				return err
			}
		}
		return nil
	}
}

// endpoint adds an endpoint, in the words of ip-mptcp(8).
func endpoint(host, words string) func(*Lab) error {
	return func(l *Lab) error {
		// The kernel of this lab may not know a flag; then the scenario does not
		// happen.
		return l.Host(host).Endpoint("endpoint add " + words)
	}
}

// second adds the usual endpoint: the client's address on link 2.
func second(l *Lab) error { return endpoint("client", "10.77.2.1 dev c2 subflow")(l) }

func box(host string, r Rule) func(*Lab) error {
	return func(l *Lab) error {
		_, err := l.Host(host).Middlebox(r)
		return err
	}
}

func sysctl(host, name, value string) func(*Lab) error {
	return func(l *Lab) error { return l.Host(host).SetSysctl(name, value) }
}

func setLimits(host string, subflows, addrs uint32) func(*Lab) error {
	return func(l *Lab) error {
		return l.Host(host).MPTCP().SetLimits(mptcpctl.LimitsChange{Subflows: &subflows, AddAddrAccepted: &addrs})
	}
}

func address(host string, link int, prefix string, rule bool) func(*Lab) error {
	return func(l *Lab) error {
		p := netip.MustParsePrefix(prefix)
		if err := l.Host(host).AddAddr(link, p); err != nil || !rule {
			return err
		}
		return l.Host(host).AddSourceRule(p.Addr(), link)
	}
}

func noSourceRoutes(l *Lab) error { return l.Host("client").DeleteSourceRoutes() }

// strict makes the server drop what comes by another link than its answer would
// leave by.
func strict(l *Lab) error {
	s := l.Host("server")
	return errors.Join(s.SetSysctl("net.ipv4.conf.all.rp_filter", "1"), s.SetSysctl("net.ipv4.conf.s1.rp_filter", "1"), s.SetSysctl("net.ipv4.conf.s2.rp_filter", "1"))
}

// fine are those where nothing is wrong.
func fine() []*Scenario {
	joined := []Evidence{exactly("client", synTx, 1), exactly("server", ackRx, 1)}
	return []*Scenario{
		{Name: "ok_subflow", Shows: "a client's endpoint on link 2: two subflows",
			setup: second, Evidence: joined},
		{Name: "ok_signal", Shows: "the server signals its second address, the client accepts it: two subflows",
			setup:    endpoint("server", "10.77.2.2 dev s2 signal"),
			Evidence: append(joined, atLeast("client", addAddr, 1), atLeast("server", "MPTcpExtEchoAdd", 1))},
		{Name: "ok_fullmesh", Shows: "fullmesh endpoints on both links of the client, and a signalled address: four subflows",
			setup: all(endpoint("server", "10.77.2.2 dev s2 signal"), endpoint("client", "10.77.1.1 dev c1 subflow fullmesh"),
				endpoint("client", "10.77.2.1 dev c2 subflow fullmesh")),
			Evidence: []Evidence{exactly("client", synTx, 3), exactly("server", ackRx, 3)}},
		{Name: "ok_v6", Shows: "a client's endpoint on link 2, over IPv6: two subflows",
			setup:    endpoint("client", "fd77:2::1 dev c2 subflow"),
			serve:    ServeConfig{Addr: netip.AddrPortFrom(netip.IPv6Unspecified(), Port)},
			connect:  ConnectConfig{To: netip.MustParseAddrPort("[fd77:1::2]:8000")},
			Evidence: joined},
		{Name: "ok_laminar", Shows: "a client's endpoint with the flag laminar (Linux 6.18), and a signalled address: two subflows",
			setup:    all(endpoint("server", "10.77.2.2 dev s2 signal"), endpoint("client", "10.77.2.1 dev c2 laminar")),
			Evidence: append(joined, atLeast("client", addAddr, 1))},
		{Name: "ok_backup", Shows: "the second subflow is a backup: established, and carries nothing",
			setup: endpoint("client", "10.77.2.1 dev c2 subflow backup"), Evidence: append(joined, exactly("server", "MPTcpExtMPJoinSynBackupRx", 1))},
		{Name: "ok_rate", Shows: "two links of 10 Mbit/s each, and as much data as goes: both carry it",
			config: Two(2, 10_000_000), setup: second, serve: ServeConfig{Discard: false}, connect: ConnectConfig{Rate: Unlimited},
			Evidence: joined,
			also: func(r *Run) (string, bool) {
				return "a megabyte that came back", r.Client.Received() > 1<<20
			}},
		{Name: "ok_nat", Shows: "a router between client and server that hides the client's addresses: two subflows",
			config:   Routed(2, 0),
			setup:    all(second, box("router", Rule{Action: Masquerade, Out: "r3"})),
			Evidence: joined},
	}
}

// ends are those where one end does not speak MPTCP.
func ends() []*Scenario {
	return []*Scenario{
		{Name: "a_server_tcp", Shows: "the server's program listens for plain TCP: fallback at the SYN/ACK",
			setup: second, serve: ServeConfig{TCP: true},
			Evidence: []Evidence{exactly("client", fallback, 1), exactly("server", capableRx, 0), exactly("client", synTx, 0)},
			Expect:   []Expect{known("client", "mptcp-fallback-synack"), known("server", "mptcp-app-plain-tcp")}},
		{Name: "a_server_disabled", Shows: "net.mptcp.enabled is 0 at the server",
			setup:    all(second, sysctl("server", "net.mptcp.enabled", "0")),
			Evidence: []Evidence{exactly("client", fallback, 1), exactly("server", capableRx, 0)},
			Expect:   []Expect{known("client", "mptcp-fallback-synack"), known("server", "mptcp-disabled")}},
		{Name: "a_client_tcp", Shows: "the client's program opens plain TCP to an MPTCP listener",
			setup: second, connect: ConnectConfig{TCP: true},
			Evidence: []Evidence{exactly("client", "MPTcpExtMPCapableSYNTX", 0), exactly("server", capableRx, 0)},
			also:     func(r *Run) (string, bool) { return "a connection that the server accepted", r.Server.Accepted() > 0 },
			Expect:   []Expect{known("client", "mptcp-app-plain-tcp"), unknown("server", "client")}},
	}
}

// boxes are those where something between the ends takes packets or options.
func boxes() []*Scenario {
	lost := []Evidence{exactly("client", synTx, 1), exactly("client", synAckRx, 0), atLeast("client", resent, 1)}
	return []*Scenario{
		{Name: "b_strip_all", Shows: "a middlebox takes every MPTCP option out of what the server gets",
			setup:    all(second, box("server", Rule{Action: Strip})),
			Evidence: []Evidence{exactly("client", fallback, 1), exactly("server", capableRx, 0)},
			Expect:   []Expect{partly("client", "both ends", "mptcp-fallback-synack"), unknown("server", "client")}},
		{Name: "b_strip_router", Shows: "a router between the ends takes every MPTCP option out, both ways",
			config: Routed(2, 0), setup: all(second, box("router", Rule{Hook: Forward, Action: Strip})),
			Evidence: []Evidence{exactly("client", fallback, 1), exactly("server", capableRx, 0)},
			Expect:   []Expect{partly("client", "both ends", "mptcp-fallback-synack"), unknown("server", "client")}},
		{Name: "b_strip_synack", Shows: "a middlebox takes MPTCP out of the SYN/ACK only",
			setup:    all(second, box("client", Rule{Segment: SYNACK, Action: Strip})),
			Evidence: []Evidence{exactly("client", fallback, 1), exactly("server", capableRx, 1), exactly("server", "MPTcpExtMPCapableFallbackACK", 1)},
			Expect:   []Expect{partly("client", "both ends", "mptcp-fallback-synack"), partly("server", "client", "mptcp-fallback-data")}},
		{Name: "b_strip_data", Shows: "a middlebox takes MPTCP out of all but SYNs: fallback after the handshake",
			setup:    all(second, box("server", Rule{Segment: NotSYN, Action: Strip})),
			Evidence: []Evidence{exactly("client", "MPTcpExtMPCapableDataFallback", 1), exactly("server", "MPTcpExtMPCapableFallbackACK", 1)},
			Expect:   []Expect{known("client", "mptcp-fallback-data"), partly("server", "client", "mptcp-fallback-data")}},
		{Name: "b_drop_capable", Shows: "a firewall drops SYNs with MP_CAPABLE: 3 s until plain TCP works, and the next connection does not try MPTCP",
			setup: all(second, box("server", Rule{Hook: Input, Segment: SYN, Option: Capable})),
			begin: func(l *Lab, c *Client) error {
				_, err := l.Host("client").Connect(context.Background(), ConnectConfig{To: c.Remote(), Timeout: 2 * time.Second})
				return err
			},
			Evidence: []Evidence{exactly("client", "MPTcpExtMPCapableSYNTXDrop", 1), exactly("client", "MPTcpExtBlackhole", 1),
				exactly("client", "MPTcpExtMPCapableSYNTXDisabled", 1), atLeast("client", resent, 2), exactly("server", capableRx, 0)},
			Expect: []Expect{known("client", "mptcp-syn-dropped", "mptcp-blackhole"), unknown("server", "client")}},
		{Name: "b_drop_join", Shows: "a firewall drops SYNs with MP_JOIN: the join is never answered",
			setup:    all(second, box("server", Rule{Hook: Input, Segment: SYN, Option: Join})),
			Evidence: append(lost, exactly("server", synRx, 0)),
			Expect:   []Expect{known("client", "mptcp-join-unanswered"), unknown("server", "client")}},
		{Name: "b_strip_join", Shows: "a middlebox takes MP_JOIN out of the SYN on link 2: the server answers as TCP does, the client resets",
			setup:    all(second, box("server", Rule{In: "s2", Action: Strip})),
			Evidence: []Evidence{exactly("client", synTx, 1), atLeast("client", "MPTcpExtMPRstTx", 1), exactly("server", synRx, 0), exactly("client", synAckRx, 0)},
			Expect:   []Expect{known("client", "mptcp-join-option-stripped"), unknown("server", "client")}},
		{Name: "b_reject_join", Shows: "a firewall answers SYNs with MP_JOIN by RST",
			setup:    all(second, box("server", Rule{Hook: Input, Segment: SYN, Option: Join, Action: Reset})),
			Evidence: []Evidence{exactly("client", synTx, 1), exactly("client", synAckRx, 0), exactly("server", synRx, 0), atLeast("client", "TcpAttemptFails", 1)},
			Expect:   []Expect{known("client", "mptcp-join-refused"), unknown("server", "client")}},
		{Name: "b_drop_joinack", Shows: "a firewall drops the third packet of the join: the server never completes it",
			setup:    all(second, box("server", Rule{Hook: Input, Segment: ACK, Option: Join})),
			Evidence: []Evidence{exactly("client", synAckRx, 1), atLeast("server", synRx, 1), exactly("server", ackRx, 0)},
			also: func(r *Run) (string, bool) {
				// The client repeats it each few milliseconds.
				n, err := r.Host("server").Middleboxes()[0].Packets()
				return "the third packet, again and again", err == nil && n >= 20
			},
			Expect: []Expect{known("client", "mptcp-join-incomplete"), known("server", "mptcp-join-incomplete")}},
	}
}

// limits are those where a limit is in the way.
func limits() []*Scenario {
	return []*Scenario{
		{Name: "c_limit_client", Shows: "the client's limit is 0 subflows: nothing is tried",
			setup:    all(setLimits("client", 0, 4), second),
			Evidence: []Evidence{exactly("client", synTx, 0), atLeast("server", "MPTcpExtMPCapableACKRX", 1)},
			Expect:   []Expect{known("client", "mptcp-limit-local")}},
		{Name: "c_limit_server", Shows: "the server's limit is 0 subflows: the join is refused when it seems to be done",
			setup:    all(setLimits("server", 0, 4), second),
			Evidence: []Evidence{exactly("client", synTx, 1), exactly("client", synAckRx, 1), exactly("server", "MPTcpExtMPJoinRejected", 1)},
			Expect:   []Expect{partly("client", "server", "mptcp-limit-peer"), known("server", "mptcp-limit-local")}},
		{Name: "c_limit_addaddr", Shows: "the client accepts 0 addresses, which is the default: a signalled one is ignored",
			setup:    all(setLimits("client", 4, 0), endpoint("server", "10.77.2.2 dev s2 signal")),
			Evidence: []Evidence{exactly("client", addAddr, 1), exactly("client", synTx, 0), exactly("client", "MPTcpExtEchoAddTx", 1)},
			Expect:   []Expect{known("client", "mptcp-limit-addr"), unknown("server", "client")}},
		{Name: "c_default_limits", Shows: "the kernel's limits (2 subflows) and three endpoints: two are used",
			setup: all(setLimits("client", 2, 0), setLimits("server", 2, 0),
				address("client", 2, "10.77.2.11/24", true), address("client", 2, "10.77.2.12/24", true), address("client", 2, "10.77.2.13/24", true),
				endpoint("client", "10.77.2.11 dev c2 subflow"), endpoint("client", "10.77.2.12 dev c2 subflow"), endpoint("client", "10.77.2.13 dev c2 subflow")),
			Evidence: []Evidence{exactly("client", synTx, 2), exactly("server", ackRx, 2)},
			Expect:   []Expect{known("client", "mptcp-limit-local")}},
		{Name: "c_limit_exhausted", Shows: "one subflow is allowed, and the first endpoint's SYN is dropped: the second endpoint is never tried",
			setup: all(setLimits("client", 1, 4), address("client", 2, "10.77.2.11/24", true),
				endpoint("client", "10.77.2.11 dev c2 subflow"), second,
				box("server", Rule{Hook: Input, Src: netip.MustParseAddr("10.77.2.11")})),
			Evidence: []Evidence{exactly("client", synTx, 1), exactly("server", synRx, 0), atLeast("client", resent, 1)},
			Expect:   []Expect{known("client", "mptcp-limit-exhausted"), unknown("server", "client")}},
	}
}

// signals are those where a signalled address does not help.
func signals() []*Scenario {
	return []*Scenario{
		{Name: "d_signal_noroute", Shows: "the server signals an address that the client has no route to",
			setup:    all(endpoint("server", "172.31.255.9 signal"), noSourceRoutes),
			Evidence: []Evidence{atLeast("client", addAddr, 1), atLeast("client", "MPTcpExtMPJoinSynTxConnectErr", 1), atLeast("client", "IpOutNoRoutes", 1)},
			Expect:   []Expect{known("client", "mptcp-addr-unused"), known("server", "mptcp-endpoint-absent")}},
		{Name: "d_signal_noarp", Shows: "the server signals an address of link 2 that nobody has",
			// Three questions in half a second, where the kernel takes three.
			setup:    all(endpoint("server", "10.77.2.99 signal"), sysctl("client", "net.ipv4.neigh.c1.retrans_time_ms", "150"), sysctl("client", "net.ipv4.neigh.c2.retrans_time_ms", "150")),
			Evidence: []Evidence{atLeast("client", addAddr, 1), exactly("client", synTx, 1), exactly("client", synAckRx, 0), atLeast("client", "TcpAttemptFails", 1)},
			Expect:   []Expect{known("client", "mptcp-addr-unused"), known("server", "mptcp-endpoint-absent")}},
		{Name: "d_signal_blackhole", Shows: "the server signals an address whose SYNs vanish",
			setup: all(address("server", 2, "10.77.2.3/24", false), endpoint("server", "10.77.2.3 signal"),
				box("server", Rule{Dst: netip.MustParseAddr("10.77.2.3"), Segment: SYN})),
			Evidence: []Evidence{atLeast("client", addAddr, 1), exactly("client", synTx, 1), exactly("client", synAckRx, 0), atLeast("client", resent, 1), exactly("server", synRx, 0)},
			Expect:   []Expect{known("client", "mptcp-join-unanswered"), unknown("server", "client")}},
		{Name: "d_signal_private", Shows: "the server signals a port that a firewall blocks",
			setup:    all(endpoint("server", "10.77.2.2 dev s2 port 9000 signal"), box("server", Rule{Hook: Input, DstPort: 9000})),
			Evidence: []Evidence{atLeast("client", "MPTcpExtPortAdd", 1), exactly("client", synTx, 1), exactly("client", synAckRx, 0), atLeast("client", resent, 1)},
			Expect:   []Expect{known("client", "mptcp-join-unanswered"), unknown("server", "client")}},
		{Name: "d_addaddr_dropped", Shows: "a middlebox drops packets with ADD_ADDR: they are sent again and never echoed",
			setup:    all(endpoint("server", "10.77.2.2 dev s2 signal"), box("client", Rule{Hook: Input, Option: AddAddr})),
			Evidence: []Evidence{atLeast("server", "MPTcpExtAddAddrTx", 2), exactly("server", "MPTcpExtEchoAdd", 0), exactly("client", addAddr, 0)},
			Expect:   []Expect{unknown("client", "server"), partly("server", "client", "mptcp-addr-unused")}},
	}
}
