package mptcpctl

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"framescope/capture/netns"
)

// A Warning says why an endpoint will not do what it is there for. The kernel
// accepts such endpoints without a word.
type Warning struct {
	// ID is a finding's: "mptcp-no-source-route".
	ID string `json:"id"`
	// Endpoint is the endpoint in question.
	Endpoint Endpoint `json:"endpoint"`
	// Text is what is wrong, in a sentence.
	Text string `json:"text"`
	// Evidence is what was looked at, and what it said.
	Evidence []string `json:"evidence"`
	// Fix are the commands that mend it; words in capitals are to be filled in.
	Fix []string `json:"fix"`
}

// The ids of warnings.
const (
	WarnDisabled      = "mptcp-disabled"
	WarnUserspacePM   = "mptcp-userspace-pm"
	WarnAbsent        = "mptcp-endpoint-absent"
	WarnLinkDown      = "mptcp-endpoint-link-down"
	WarnWrongDev      = "mptcp-endpoint-wrong-dev"
	WarnNoSourceRoute = "mptcp-no-source-route"
	WarnRPFilter      = "mptcp-rp-filter"
	WarnLimitLocal    = "mptcp-limit-local"
	WarnLimitAddr     = "mptcp-limit-addr"
	WarnEndpointLimit = "mptcp-endpoint-limit"
	WarnUnused        = "mptcp-endpoint-unused"
)

// Facts are what warnings are made of: the state of a network namespace at one
// moment.
type Facts struct {
	// Namespace is the file of the namespace, or empty for the own one; commands
	// that mend something are given for it.
	Namespace string
	Endpoints []Endpoint
	Limits    Limits
	// Sysctls are those of net.mptcp, by their names without it.
	Sysctls map[string]string
	Links   []Link
	Lookups []Lookup
	// Tables are the routing tables besides main, as far as they or rules to them
	// are there: which numbers are taken, and which lead over a link.
	Tables []Table
	// Reverse are lookups from the endpoints' addresses into the networks of other
	// interfaces: where answers go to what comes in there.
	Reverse []Lookup
	// Peers: the lookups are to addresses that matter, not to samples.
	Peers bool
}

// A Link is a network interface.
type Link struct {
	Index    int
	Name     string
	Up       bool // administratively
	Carrier  bool // something is at the other end
	Loopback bool
	// RPFilter is the effective net.ipv4.conf.*.rp_filter: 0 off, 1 strict, 2
	// loose.
	RPFilter int
	Addrs    []netip.Prefix
	// Gateway is the way to everywhere else over the link, if the main table has
	// one.
	Gateway netip.Addr
}

// A Lookup is a question to the routing tables and its answer.
type Lookup struct {
	From, To netip.Addr
	// Bound is the interface that the socket is bound to, or empty.
	Bound string
	// Dev is the interface that the packet leaves by; empty if there is no route.
	Dev string
	// Gateway is the next hop; invalid if To is on the link.
	Gateway netip.Addr
	// Err is the answer where there is no route.
	Err string
}

func (l *Lookup) String() string {
	s := fmt.Sprintf("ip route get %v from %v", l.To, l.From)
	if l.Bound != "" {
		s += " oif " + l.Bound
	}
	switch {
	case l.Dev == "":
		return s + ": " + l.Err
	case l.Gateway.IsValid():
		return s + ": via " + l.Gateway.String() + " dev " + l.Dev
	}
	return s + ": dev " + l.Dev
}

func (f *Facts) link(match func(*Link) bool) *Link {
	for i := range f.Links {
		if match(&f.Links[i]) {
			return &f.Links[i]
		}
	}
	return nil
}

// Command returns a command of a shell as it has to be typed for the namespace.
func (f *Facts) Command(cmd string) string { return inNamespace(f.Namespace, cmd) }

func (f *Facts) command(format string, args ...any) string {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = shellWords(s)
		}
	}
	return inNamespace(f.Namespace, fmt.Sprintf(format, args...))
}

func inNamespace(file, cmd string) string {
	var pid int
	switch {
	case file == "", strings.HasPrefix(file, "/proc/self/"), strings.HasPrefix(file, "/proc/thread-self/"):
		return cmd // the latter means somebody else to whoever reads it
	case filepath.Dir(file) == netns.Dir:
		return "ip netns exec " + filepath.Base(file) + " " + cmd
	default:
		if n, _ := fmt.Sscanf(file, "/proc/%d/ns/net", &pid); n == 1 {
			return fmt.Sprintf("nsenter -t %d -n %s", pid, cmd)
		}
	}
	return "nsenter --net=" + file + " " + cmd
}

// Check collects the facts about an endpoint and returns what is wrong with it;
// see Facts for the peers.
func (c *Conn) Check(e Endpoint, peers ...netip.Addr) ([]Warning, error) {
	if err := c.resolve(&e); err != nil {
		return nil, fail("endpoint check", e.String(), err)
	}
	f, err := c.Facts([]Endpoint{e}, peers)
	if err != nil {
		return nil, err
	}
	return Check(e, f), nil
}

// Check says what will keep an endpoint from doing what it is there for, as far
// as the facts show. The endpoint may be among the facts' endpoints or not yet.
// What this host uses always comes with evidence; what a peer does with an
// address cannot be known here.
func Check(e Endpoint, f *Facts) (all []Warning) {
	e.Addr = e.Addr.Unmap()
	c := checker{e: e, f: f}
	c.namespace()
	c.count()
	c.limits()
	if e.Addr.IsValid() {
		c.link()
	}
	return c.all
}

type checker struct {
	e   Endpoint
	f   *Facts
	all []Warning
}

func (c *checker) warn(id, text string, evidence, fix []string) {
	c.all = append(c.all, Warning{ID: id, Endpoint: c.e, Text: text, Evidence: evidence, Fix: fix})
}

// outgoing are the flags of endpoints that subflows begin at.
const outgoing = Subflow | Fullmesh | Laminar

func (c *checker) namespace() {
	if v := c.f.Sysctls["enabled"]; v == "0" {
		c.warn(WarnDisabled, "MPTCP is off in this network namespace", []string{"net.mptcp.enabled = 0"},
			[]string{c.f.command("sysctl -w net.mptcp.enabled=1"), "restart programs that listen: their sockets stay TCP"})
	}
	switch {
	case c.f.Sysctls["path_manager"] == "userspace":
		c.warn(WarnUserspacePM, "new connections are managed by a daemon, which need not look at endpoints",
			[]string{"net.mptcp.path_manager = userspace"}, []string{c.f.command("sysctl -w net.mptcp.path_manager=kernel"), Reconnect})
	case c.f.Sysctls["path_manager"] == "" && c.f.Sysctls["pm_type"] == "1":
		c.warn(WarnUserspacePM, "new connections are managed by a daemon, which need not look at endpoints",
			[]string{"net.mptcp.pm_type = 1"}, []string{c.f.command("sysctl -w net.mptcp.pm_type=0"), Reconnect})
	}
}

// same reports whether two endpoints are one.
func same(a, b Endpoint) bool {
	return a.Addr == b.Addr && a.Port == b.Port && (a.ID == 0 || b.ID == 0 || a.ID == b.ID)
}

// others are the endpoints besides the one in question.
func (c *checker) others(match func(Endpoint) bool) (n int, list []string) {
	for _, o := range c.f.Endpoints {
		if !same(o, c.e) && match(o) {
			n++
			list = append(list, "endpoint "+o.String())
		}
	}
	return n, list
}

func (c *checker) count() {
	if c.e.Flags&Implicit == 0 && c.e.Flags&(outgoing|Signal) == 0 {
		c.warn(WarnUnused, "an endpoint that has none of the flags signal, subflow, fullmesh and laminar is not used for anything but its id",
			[]string{"endpoint " + c.e.String()}, []string{c.f.command("ip mptcp endpoint add %v subflow", c.e.Addr)})
	}
	if n, list := c.others(func(Endpoint) bool { return true }); n >= MaxEndpoints {
		c.warn(WarnEndpointLimit, fmt.Sprintf("there are %d endpoints, and the kernel keeps %d", n, MaxEndpoints), list,
			[]string{c.f.command("ip mptcp endpoint delete id ID")})
	}
}

func (c *checker) limits() {
	l := c.f.Limits
	seen := []string{"limits " + l.String()}
	switch {
	case c.e.Flags&(outgoing|Signal) == 0:
		return
	case l.Subflows == 0:
		c.warn(WarnLimitLocal, "no connection may have a second subflow", seen,
			[]string{c.f.command("ip mptcp limits set subflows 2"), Reconnect})
	case c.e.Flags&Subflow != 0 && c.e.Flags&Implicit == 0:
		// One endpoint is as a rule the address that the connection begins with,
		// and costs no further subflow.
		n, list := c.others(func(o Endpoint) bool { return o.Flags&Subflow != 0 && o.Addr.Is4() == c.e.Addr.Is4() })
		if need := uint32(n + 1); n > 0 && need > l.Subflows+1 {
			c.warn(WarnLimitLocal, fmt.Sprintf("%d endpoints are for subflows, and a connection may have %d besides its first", need, l.Subflows),
				append(seen, list...), []string{c.f.command("ip mptcp limits set subflows %d", min(need, MaxLimit)), Reconnect})
		}
	}
	if c.e.Flags&Laminar != 0 && c.e.Flags&(Subflow|Signal) == 0 && l.AddAddrAccepted == 0 {
		c.warn(WarnLimitAddr, "a laminar endpoint is for addresses that a peer signals, and none of these is accepted", seen,
			[]string{c.f.command("ip mptcp limits set add_addr_accepted %d", min(max(l.Subflows, 1), MaxLimit)), Reconnect})
	}
}

// link looks at the interface that has the address, and at the ways from it.
func (c *checker) link() {
	e, f := c.e, c.f
	has := func(l *Link) bool {
		return slices.ContainsFunc(l.Addrs, func(p netip.Prefix) bool { return p.Addr() == e.Addr })
	}
	l := f.link(func(l *Link) bool { return has(l) && (e.Dev == "" || l.Name == e.Dev) })
	if l == nil {
		l = f.link(has)
	}
	if l == nil {
		var list []string
		for _, l := range f.Links {
			for _, p := range l.Addrs {
				if p.Addr().Is4() == e.Addr.Is4() && !l.Loopback {
					list = append(list, l.Name+" has "+p.String())
				}
			}
		}
		dev := e.Dev
		if dev == "" {
			dev = "DEV"
		}
		c.warn(WarnAbsent, fmt.Sprintf("no interface has %v: subflows from it fail without an event", e.Addr),
			append(list, "ip address show to "+e.Addr.String()+": nothing"),
			append([]string{f.command("ip address add %v/%s dev %s", e.Addr, "PREFIX", dev)}, f.deletion(e, "if no interface is to have the address")...))
		return
	}
	if e.Dev != "" && l.Name != e.Dev {
		fix := []string{f.command("ip mptcp endpoint add %s", withDev(e, l.Name))}
		if e.ID != 0 {
			fix = slices.Insert(fix, 0, f.command("ip mptcp endpoint delete id %d", e.ID))
		}
		c.warn(WarnWrongDev, fmt.Sprintf("subflows from %v are bound to %s, and %s has the address: answers come where nobody listens", e.Addr, e.Dev, l.Name),
			[]string{l.Name + " has " + e.Addr.String(), "endpoint dev " + e.Dev}, fix)
		return
	}
	switch {
	case !l.Up:
		c.warn(WarnLinkDown, l.Name+", which has the address, is down: subflows from it fail without an event",
			[]string{"ip link show " + l.Name + ": DOWN"}, []string{f.command("ip link set %s up", l.Name), Reconnect})
		return
	case !l.Carrier && !l.Loopback:
		c.warn(WarnLinkDown, l.Name+", which has the address, has no carrier: nothing is at the other end",
			[]string{"ip link show " + l.Name + ": NO-CARRIER"}, []string{f.command("ethtool %s", l.Name)})
		return
	}
	if !l.Loopback && e.Flags&(outgoing|Signal) != 0 {
		c.routes(l)
	}
}

func withDev(e Endpoint, dev string) string {
	e.Dev = dev
	return e.String()
}

func (c *checker) routes(l *Link) {
	e, f := c.e, c.f
	var away, unbound []string
	asked, astray, detour := 0, 0, ""
	for i := range f.Lookups {
		r := &f.Lookups[i]
		if r.From != e.Addr {
			continue
		}
		if r.Bound == "" && r.Dev != "" && r.Dev != l.Name {
			unbound = append(unbound, r.String())
			detour = r.Dev
		}
		if r.Bound != e.Dev {
			continue
		}
		asked++
		// A bound socket finds a way over its interface even if no table has one:
		// the kernel then takes the peer to be on the link.
		onLink := slices.ContainsFunc(l.Addrs, func(p netip.Prefix) bool { return p.Contains(r.To) })
		lost := r.Bound != "" && r.Dev == l.Name && !r.Gateway.IsValid() && !onLink
		if r.Dev != l.Name || lost {
			away = append(away, r.String())
			if lost {
				astray++
			}
		}
	}
	// Samples show that there is no way of its own only if none takes it. The
	// same goes for rp_filter, which asks for the way back unbound.
	enough := func(n int) bool { return n > 0 && (f.Peers || n == asked) }
	fix := f.SourceRoute(e.Addr, l)
	if enough(len(away)) {
		text := fmt.Sprintf("packets from %v do not leave by %s, which has the address: source routing is missing", e.Addr, l.Name)
		switch {
		case astray == len(away):
			text = fmt.Sprintf("no table has a route over %s for packets from %v: the kernel looks for the peers on the link itself, where they are not", l.Name, e.Addr)
		case e.Dev != "" && len(unbound) == 0:
			text = fmt.Sprintf("there is no route over %s for packets from %v", l.Name, e.Addr)
		}
		c.warn(WarnNoSourceRoute, text, away, fix)
	}
	if l.RPFilter == 1 && e.Addr.Is4() && enough(len(unbound)) {
		c.warn(WarnRPFilter, fmt.Sprintf("strict rp_filter on %s drops what peers send to %v there, since the way back to them is %s", l.Name, e.Addr, detour),
			append([]string{"net.ipv4.conf." + l.Name + ".rp_filter = 1 (or of all)"}, unbound...),
			append(slices.Clone(fix), f.command("sysctl -w %s", "net.ipv4.conf."+strings.ReplaceAll(l.Name, ".", "/")+".rp_filter=2")))
	}
}
