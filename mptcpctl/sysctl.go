package mptcpctl

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"framescope/capture/netns"
)

// A Sysctl is a setting of a network namespace below net.mptcp.
type Sysctl struct {
	// Name is its name without "net.mptcp.".
	Name string `json:"name"`
	// Value is what it is set to.
	Value string `json:"value"`
	// Default is what a new namespace begins with, whatever the namespace that
	// it was made in has; empty if that is not known here.
	Default string `json:"default,omitempty"`
	// ReadOnly: the value only tells something.
	ReadOnly bool `json:"read_only,omitempty"`
	// Meaning says what it does; empty if that is not known here.
	Meaning string `json:"meaning,omitempty"`
}

// sysctls are those that are known. All are per namespace.
var sysctls = []Sysctl{
	{Name: "enabled", Default: "1", Meaning: "MPTCP sockets can be made"},
	{Name: "path_manager", Default: "kernel", Meaning: "who manages the paths of new connections: kernel (endpoints and limits) or userspace (a daemon)"},
	{Name: "available_path_managers", ReadOnly: true, Meaning: "what path_manager can be set to"},
	{Name: "pm_type", Default: "0", Meaning: "path_manager as a number, 0 kernel, 1 userspace; replaced by path_manager"},
	{Name: "scheduler", Default: "default", Meaning: "which scheduler chooses the subflow for data"},
	{Name: "available_schedulers", ReadOnly: true, Meaning: "what scheduler can be set to"},
	{Name: "allow_join_initial_addr_port", Default: "1", Meaning: "peers may join at the address and port that they connected to; 0 behind a balancer that cannot tell whose connection it is"},
	{Name: "add_addr_timeout", Default: "120", Meaning: "most seconds until an ADD_ADDR without an echo is sent again; 0 never"},
	{Name: "add_addr_v6_port_drop_ts", Default: "1", Meaning: "an ADD_ADDR of an IPv6 address with a port may take the place of TCP timestamps"},
	{Name: "blackhole_timeout", Default: "3600", Meaning: "seconds for which MPTCP is off after SYNs with its option were lost, doubled each time; 0 never; writing it turns MPTCP on again"},
	{Name: "checksum_enabled", Default: "0", Meaning: "ask for checksums over data and mappings; one side is enough"},
	{Name: "close_timeout", Default: "60", Meaning: "seconds for which a connection stays without any subflow"},
	{Name: "stale_loss_cnt", Default: "4", Meaning: "retransmission timeouts without an answer after which a subflow is stale and not used"},
	{Name: "syn_retrans_before_tcp_fallback", Default: "2", Meaning: "SYNs with the option that are sent again before one without it; 128 or more: always with it"},
}

const sysctlDir = "/proc/sys/net/mptcp/"

// Sysctls returns all of net.mptcp, known ones first.
func (c *Conn) Sysctls() (all []Sysctl, err error) {
	err = netns.Do(c.ns, func() error {
		// The directory is that of the thread which opens it.
		dir, err := os.ReadDir(sysctlDir)
		if errors.Is(err, os.ErrNotExist) {
			if _, err := os.Stat("/proc/sys/net"); err != nil {
				return errors.New("/proc is not mounted")
			}
			return ErrNotSupported
		} else if err != nil {
			return err
		}
		for _, f := range dir {
			b, err := os.ReadFile(sysctlDir + f.Name())
			if err != nil {
				return err
			}
			s := Sysctl{Name: f.Name()}
			if i := known(s.Name); i < len(sysctls) {
				s = sysctls[i]
			}
			s.Value = strings.TrimSpace(string(b))
			all = append(all, s)
		}
		return nil
	})
	slices.SortStableFunc(all, func(a, b Sysctl) int { return known(a.Name) - known(b.Name) })
	return all, fail("sysctl", "", err)
}

// known is the place of a name in sysctls, or behind them.
func known(name string) int {
	if i := slices.IndexFunc(sysctls, func(s Sysctl) bool { return s.Name == name }); i >= 0 {
		return i
	}
	return len(sysctls)
}

// SetSysctl sets net.mptcp.name.
func (c *Conn) SetSysctl(name, value string) error {
	err := netns.Do(c.ns, func() error {
		if !isSysctl(name) {
			return errors.New("that is no name of a sysctl")
		}
		if strings.ContainsAny(value, "\n\x00") || strings.TrimSpace(value) == "" {
			return fmt.Errorf("%q is no value", value)
		}
		f, err := os.OpenFile(sysctlDir+name, os.O_WRONLY, 0)
		if err != nil {
			return bare(err)
		}
		_, err = f.WriteString(value)
		return bare(errors.Join(err, f.Close()))
	})
	return fail("sysctl", "net.mptcp."+name+"="+value, err)
}

// bare takes the path off an error: it stands in the OpError in other words.
func bare(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// isSysctl keeps names inside the directory.
func isSysctl(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}
