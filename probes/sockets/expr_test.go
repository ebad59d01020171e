package sockets

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"framescope/probes/sockdiag"
)

// noLookup is a network without names.
func noLookup(name string) ([]net.IP, error) {
	if name == "localhost" {
		return []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, nil
	}
	return nil, errors.New("no such host")
}

func conn(state sockdiag.State, src, dst string) *Row {
	r := &Row{Kind: TCP, State: state, Full: true, Family: sockdiag.IPv4}
	r.Src, r.Dst = netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	if r.Src.Addr().Is6() {
		r.Family = sockdiag.IPv6
	}
	return r
}

func TestParse(t *testing.T) {
	web := conn(sockdiag.Established, "10.0.0.1:40000", "192.0.2.1:443")
	ssh := conn(sockdiag.Listen, "0.0.0.0:22", "0.0.0.0:0")
	six := conn(sockdiag.TimeWait, "[2001:db8::1]:443", "[2001:db8::2]:50000")
	mapped := conn(sockdiag.CloseWait, "[::ffff:10.0.0.1]:80", "[::ffff:10.0.0.2]:50001")
	path := &Row{Kind: Unix, Family: sockdiag.Unix, State: sockdiag.Listen, Name: "/run/a/b.sock"}
	abstract := &Row{Kind: Unix, Family: sockdiag.Unix, State: sockdiag.CloseState, Name: "\x00bus"}
	all := map[string]*Row{"web": web, "ssh": ssh, "six": six, "mapped": mapped, "path": path, "abstract": abstract}
	order := []string{"web", "ssh", "six", "mapped", "path", "abstract"}
	for _, tt := range []struct{ expr, want string }{
		{"", "web ssh six mapped path abstract"},
		{"state established", "web"},
		{"state established state time-wait", "web six"},
		{"state connected", "web six mapped"},
		{"state synchronized exclude time-wait", "web mapped"},
		{"exclude listening", "web six mapped abstract"},
		{"state all", "web ssh six mapped path abstract"},
		{"state established and dport = :443", "web"},
		{"state established dport = :443", "web"},
		{"state established or state time-wait", "web six"},
		{"not state established", "ssh six mapped path abstract"},
		{"sport = :443 or state established and dport = :443", "web six"},
		{"dport = 443", "web"},
		{"dport eq :https", "web"},
		{"dport == https", "web"},
		{"sport = :ssh", "ssh"},
		{"( dport = :ssh or sport = :ssh )", "ssh"},
		{"(dport=:ssh or sport=:ssh)", "ssh"},
		{"sport >= :80 and sport < :444", "six mapped"},
		{"sport > :80 sport <= :443", "six"},
		{"sport != :22", "web six mapped"},
		{"sport ne :22", "web six mapped"},
		{"sport = :20-100", "ssh mapped"},
		{"sport = :22,80", "ssh mapped"},
		{"src 10.0.0.0/8", "web mapped"},
		{"src 10/8", "web mapped"},
		{"src = 10.0.0.1", "web mapped"},
		{"src 10.0.0.1:80", "mapped"},
		{"src != 10.0.0.1", "ssh six path abstract"},
		{"not src 10.0.0.0/8", "ssh six path abstract"},
		{"! src 10.0.0.0/8", "ssh six path abstract"},
		{"not ( src 10.0.0.0/8 or sport = :22 )", "six path abstract"},
		{"dst [2001:db8::]/32", "six"},
		{"dst [2001:db8::2]:50000", "six"},
		{"dst 2001:db8::2", "six"},
		{"dst [2001:db8::2]:1", ""},
		{"src inet:*", "web ssh"},
		{"src inet6:[::]/0", "six mapped"},
		{"src *:443", "six"},
		{"src :443", "six"},
		{"src unix:/run/*", "path"},
		{"src unix:*", "path abstract"},
		{"src /run/a/b.sock", "path"},
		{"src @bus", "abstract"},
		{"dst localhost", ""},
		{"autobound", "web ssh six mapped path abstract"}, // the kernel knows
		{"state established && dport = :443 || sport = :22", "web ssh"},
		{"dst 192.0.2.0/24 | dst 2001:db8::/32", "web six"},
	} {
		e, err := parse(tt.expr, noLookup)
		if err != nil {
			t.Errorf("%s: %v", tt.expr, err)
			continue
		}
		var got []string
		for _, name := range order {
			if e.Match(all[name]) {
				got = append(got, name)
				// What is not asked of the kernel for it must not match.
				if r := all[name]; e.states()>>r.State&1 == 0 || !e.mayMatch(r.Kind) && !strings.Contains(tt.expr, "autobound") {
					t.Errorf("%s: %s matches, and would not be asked for", tt.expr, name)
				}
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %q, want %q", tt.expr, got, tt.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct {
		expr string
		off  int
		msg  string
	}{
		{"state nonsense", 6, `there is no state "nonsense"`},
		{"state foo", 6, "closing, bound-inactive (bound), all"},
		{"dport", 5, "an address or port is missing"},
		{"dport = :nonsense", 8, "neither a port nor a service"},
		{"dport = 70000", 8, "neither a port nor a service"},
		{"( sport = :22", 13, "expected ) before"},
		{"sport = :22 )", 12, `expected and, or, or the end, not ")"`},
		{"sport = :22 or", 14, "a condition is missing"},
		{"port = 22", 0, `not "port"`},
		{"dst 10.0.0.0/99", 4, "is not a network"},
		{"dst host.invalid", 4, "neither an address nor a host"},
		{"dst [::1", 4, "] is missing"},
		{"dst > 10.0.0.1", 6, "neither more nor less"},
		{"dev", 3, "a value is missing"},
		{"src netlink:0:lo", 4, "is not the number of a port"},
		{"fwmark x", 7, "expected MARK"},
		{strings.Repeat("not ", 200) + "sport = :1", 404, "too many parentheses"},
	} {
		_, err := parse(tt.expr, noLookup)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || syntax.Off != tt.off || !strings.Contains(syntax.Msg, tt.msg) {
			t.Errorf("%.40s: %v, want %q at %d", tt.expr, err, tt.msg, tt.off)
		}
	}
}

func TestParseInternet(t *testing.T) {
	web := conn(sockdiag.Established, "10.0.0.1:40000", "192.0.2.1:443")
	six := conn(sockdiag.Listen, "[::1]:8080", "[::]:0")
	dns := conn(sockdiag.CloseState, "127.0.0.1:53", "0.0.0.0:0")
	dns.Kind = UDP
	path := &Row{Kind: Unix, Family: sockdiag.Unix}
	for _, tt := range []struct{ text, want string }{
		{"", "web six dns"}, {"4", "web dns"}, {"6", "six"}, {"tcp", "web six"}, {"TCP", "web six"}, {"UDP", "dns"}, {"4tcp", "web"}, {"6TCP:8080", "six"},
		{":443", "web"}, {":https", "web"}, {":53,8080", "six dns"}, {":50-60", "dns"}, {"@192.0.2.1", "web"}, {"tcp@192.0.2.1:443", "web"}, {"tcp@192.0.2.1:80", ""},
		{"@[::1]:8080", "six"}, {"@localhost", "six dns"}, {"udp:443", ""},
	} {
		e, err := parseInternet(tt.text, noLookup)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		var got []string
		for i, r := range []*Row{web, six, dns, path} {
			if e.Match(r) {
				got = append(got, []string{"web", "six", "dns", "path"}[i])
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %q, want %q", tt.text, got, tt.want)
		}
	}
	for _, bad := range []string{"sctp", "tcp:x", "@", "4@host.invalid", "tcp@[::1", ":1-", "tcp@127.0.0.1x:1"} {
		if _, err := parseInternet(bad, noLookup); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

// Whatever is typed, the parser ends, and what it makes can be asked.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"state established and ( dport = :443 or src 10.0.0.0/8 )", "exclude time-wait not src [::1]:80", "4tcp@127.0.0.1:80", "fwmark = 1/0xff", "src unix:/x*["} {
		f.Add(s)
	}
	row := conn(sockdiag.Established, "10.0.0.1:40000", "192.0.2.1:443")
	unix := &Row{Kind: Unix, Family: sockdiag.Unix, Name: "/a"}
	f.Fuzz(func(t *testing.T, s string) {
		for _, p := range []func(string, func(string) ([]net.IP, error)) (*Expr, error){parse, parseInternet} {
			e, err := p(s, noLookup)
			if err != nil {
				_ = err.Error()
				continue
			}
			for _, r := range []*Row{row, unix} {
				if e.Match(r) && e.states()>>r.State&1 == 0 && r.State != 0 {
					t.Errorf("%q matches %v, and would not be asked for", s, r.State)
				}
			}
			e.cond()
		}
	})
}

func TestContainer(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	for path, want := range map[string]string{
		"/": "", "": "",
		"/system.slice/nginx.service":                                          "nginx.service",
		"/system.slice/docker-" + id + ".scope":                                "docker:0123456789ab",
		"/docker/" + id:                                                        "docker:0123456789ab",
		"/machine.slice/libpod-" + id + ".scope/container":                     "podman:0123456789ab",
		"/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + id + ".scope":  "containerd:0123456789ab",
		"/kubepods/burstable/pod1/" + id:                                       "kube:0123456789ab",
		"/lxc/web":                                                             "lxc:web",
		"/lxc.payload.web/system.slice/ssh.service":                            "ssh.service",
		"/user.slice/user-1000.slice/user@1000.service/app.slice/x-1.scope":    "x-1.scope",
		"/machine.slice/machine-debian.scope":                                  "machine:debian",
		"/user.slice/user-1000.slice/user@1000.service/app.slice/some/process": "user@1000.service",
	} {
		if got := Container(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestNamesBound(t *testing.T) {
	for _, tt := range []struct {
		expr string
		want bool
	}{
		{"", false}, {"state bound", true}, {"state BOUND_INACTIVE", true}, {"sport = :1 and ( state listening or state bound )", true},
		{"exclude listening", false}, {"state all", false}, {"autobound", false}, {"state connected", false},
	} {
		e, err := parse(tt.expr, noLookup)
		if err != nil || e.NamesBound() != tt.want {
			t.Errorf("%s: %v, %v", tt.expr, e.NamesBound(), err)
		}
	}
}
