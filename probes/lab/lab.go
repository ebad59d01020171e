// Package lab builds small networks in private network namespaces: hosts, the
// links between them, middleboxes, MPTCP configured, and peers that send and
// echo. Nothing of it can be seen or reached from outside, and nothing of it
// outlasts the process, however that ends.
//
//	l, err := lab.Up(ctx, nil) // "client" and "server" with two links
//	defer l.Close()
//	s, err := l.Host("server").Serve(ctx, lab.ServeConfig{})
//	c, err := l.Host("client").Connect(ctx, lab.ConnectConfig{To: s.Addr(1)})
//
// Start brings up a Scenario: a lab in which one thing about MPTCP goes wrong, or
// right, while a connection is open.
//
// # Names and addresses
//
// Links count from 1. Link 2 between client and server has the networks
// 10.77.2.0/24 and fd77:2::/64; the host that the link names first has .1 and ::1,
// the other one .2 and ::2. The interface is called after the host's first letter
// and the link: c2, s2.
//
// # Rights
//
// Making namespaces needs CAP_SYS_ADMIN. Without root a process gets it in a user
// namespace of its own (see unshare(1), -r); the command framescope lab does that
// for itself. The namespaces have no names: they are held by files and threads of
// the process only. The middleboxes are nf_tables rules, which are written here
// and need no program.
package lab

import (
	"errors"
	"time"

	"framescope/mptcpctl"
)

var (
	// ErrNotSupported is the cause of every error on systems other than Linux.
	ErrNotSupported = errors.New("network namespaces exist on linux only")
	// ErrNoNetem: a link has a Delay or Loss, and the kernel was built without
	// CONFIG_NET_SCH_NETEM.
	ErrNoNetem = errors.New("needs netem: the kernel has no CONFIG_NET_SCH_NETEM")
	// ErrNoTBF: a link has a Rate, and the kernel was built without
	// CONFIG_NET_SCH_TBF.
	ErrNoTBF = errors.New("needs tbf: the kernel has no CONFIG_NET_SCH_TBF")
	// ErrNoNFT: there is a Rule, and the kernel cannot do what it says.
	ErrNoNFT = errors.New("needs nft: the kernel has no CONFIG_NF_TABLES, or not all of it")
	// ErrNoMPTCP: the kernel was built without CONFIG_MPTCP.
	ErrNoMPTCP = errors.New("needs mptcp: the kernel has no CONFIG_MPTCP")
)

// MaxHosts and MaxLinks bound a Config.
const (
	MaxHosts = 8
	MaxLinks = 16
)

// A Config says what a lab is made of. A nil one stands for the zero one: a
// client and a server with two links.
type Config struct {
	// Hosts are the hosts; none stands for client, with SourceRoutes, and
	// server.
	Hosts []HostConfig `json:"hosts,omitempty"`
	// Links are the links; none stands for two between the first host and the
	// last.
	Links []LinkConfig `json:"links,omitempty"`
}

// A HostConfig is a host of a Config.
type HostConfig struct {
	// Name is a word of lower-case letters and digits.
	Name string `json:"name"`
	// Forward makes it a router. Hosts that are linked to it have a default
	// route by it.
	Forward bool `json:"forward,omitempty"`
	// SourceRoutes: what is sent from the address of a link leaves by that link,
	// which a client with several needs (ip rule add from ADDRESS).
	SourceRoutes bool `json:"source_routes,omitempty"`
	// MPTCP is how the path manager is set up. Limits that are nil stand for 4
	// subflows and 4 accepted addresses, not for the kernel's 2 and 0.
	MPTCP mptcpctl.State `json:"mptcp"`
	// Sysctls are set before the links are there, by name: "net.ipv4.tcp_sack".
	// rp_filter is 0 unless it is among them.
	Sysctls map[string]string `json:"sysctls,omitempty"`
}

// A LinkConfig is a link of a Config: a pair of interfaces of the kind veth.
type LinkConfig struct {
	// A and B are the hosts at its ends.
	A string `json:"a"`
	B string `json:"b"`
	// Rate bounds each direction, in bits a second (tbf); 0 is as fast as the
	// machine, 8000 is the least.
	Rate uint64 `json:"rate,omitempty"`
	// Delay is how long a packet takes, in each direction, Loss how many of a
	// hundred do not arrive (netem; see ErrNoNetem). 0 is none.
	Delay time.Duration `json:"delay,omitempty"`
	Loss  float64       `json:"loss,omitempty"`
}

// Two returns the Config of a client and a server with the number of links, each
// with the rate in bits a second, 0 for none.
func Two(links int, rate uint64) *Config {
	c := Config{Hosts: []HostConfig{{Name: "client", SourceRoutes: true}, {Name: "server"}}}
	for range links {
		c.Links = append(c.Links, LinkConfig{A: "client", B: "server", Rate: rate})
	}
	return &c
}

// Routed returns the Config of a client with the number of links to a router,
// and a server that has one link to it, which is the last.
func Routed(links int, rate uint64) *Config {
	c := Config{Hosts: []HostConfig{{Name: "client", SourceRoutes: true}, {Name: "router", Forward: true}, {Name: "server"}}}
	for range links {
		c.Links = append(c.Links, LinkConfig{A: "client", B: "router", Rate: rate})
	}
	c.Links = append(c.Links, LinkConfig{A: "router", B: "server"})
	return &c
}
