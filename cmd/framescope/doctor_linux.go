package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"framescope/capture/capability"
	"framescope/capture/ring"
	"framescope/cmd/framescope/internal/output"
)

// release says which kernel it is, and who asks.
func release(s string) string {
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		s = "linux " + unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:])
	}
	who := fmt.Sprintf("user %d", os.Getuid())
	if me, err := user.Current(); err == nil {
		who = me.Username
	}
	return s + ", as " + who
}

func diagnose() []diagnosis {
	return []diagnosis{
		{Name: "decode", State: "yes", Found: "captures from files and pipes"},
		diagnoseCapture(), diagnoseNamespace(), diagnoseNetns(), diagnoseMPTCP(), diagnoseEndpoints(), diagnoseOwners(),
	}
}

// diagnoseCapture opens a ring on loopback.
func diagnoseCapture() diagnosis {
	d := diagnosis{Name: "capture", State: "yes"}
	begin := time.Now()
	s, err := ring.Open(&ring.Config{Interfaces: []string{"lo"}})
	if err != nil {
		d.State, d.Found = "no", err.Error()
		switch {
		case errors.Is(err, os.ErrPermission):
			d.Fix = rawRights("capture", "-i", "lo")
		case errors.Is(err, ring.ErrNoInterface):
			d.Fix = []string{"this namespace has no loopback interface: framescope capture -i any may work"}
		case errors.Is(err, unix.EAFNOSUPPORT):
			d.Fix = []string{"sudo modprobe af_packet", "the kernel needs CONFIG_PACKET"}
		case errors.Is(err, unix.ENOMEM):
			d.Fix = []string{"there is no memory for a ring of 2 MB: free some, or raise the limit of the control group"}
		}
		return d
	}
	defer s.Close()
	d.Found = fmt.Sprintf("a ring of %s on lo, opened in %d ms", output.Bytes(s.Buffer()), time.Since(begin).Milliseconds())
	if s.Buffer() < ring.DefaultBuffer {
		d.State = "limited"
		d.Fix = []string{"the kernel has not enough memory in one piece: echo 1 | sudo tee /proc/sys/vm/compact_memory"}
	}
	if r, err := os.ReadFile("/sys/class/net/lo/flags"); err == nil && !isUp(string(r)) {
		d.State, d.Found = "limited", d.Found+"; lo is down"
		d.Fix = append(d.Fix, "sudo ip link set lo up")
	}
	return d
}

// isUp reports whether the flags of an interface, as sysfs has them, have
// IFF_UP.
func isUp(flags string) bool {
	var n uint
	_, err := fmt.Sscanf(flags, "0x%x", &n)
	return err == nil && n&unix.IFF_UP != 0
}

// diagnoseNamespace makes a namespace and opens a socket in it.
func diagnoseNamespace() diagnosis {
	d := diagnosis{Name: "namespace", State: "yes", Found: "user and network namespaces can be made, with CAP_NET_RAW in them"}
	out, err := inNamespace(doctorNamespace).CombinedOutput()
	if err == nil {
		return d
	}
	d.State, d.Found = "no", strings.TrimSpace(string(out))
	if d.Found == "" {
		d.Found = noNamespace(err)
	}
	for _, s := range []struct{ name, wants, fix string }{
		{"user/max_user_namespaces", "", "sudo sysctl -w user.max_user_namespaces=15000"},
		{"kernel/unprivileged_userns_clone", "1", "sudo sysctl -w kernel.unprivileged_userns_clone=1"},
		{"kernel/apparmor_restrict_unprivileged_userns", "0", "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
	} {
		b, err := os.ReadFile("/proc/sys/" + s.name)
		v := strings.TrimSpace(string(b))
		if err == nil && (s.wants != "" && v != s.wants || s.wants == "" && v == "0") {
			d.Found += "; " + strings.ReplaceAll(s.name, "/", ".") + " is " + v
			d.Fix = append(d.Fix, s.fix)
		}
	}
	if len(d.Fix) == 0 {
		d.Fix = []string{"in a container, its runtime forbids it: --security-opt seccomp=unconfined allows it"}
	}
	return d
}

func diagnoseNetns() diagnosis {
	if capability.Effective(capability.SysAdmin) {
		return diagnosis{Name: "netns", State: "yes", Found: capability.SysAdmin.String()}
	}
	return diagnosis{
		Name: "netns", State: "no", Found: "needs " + capability.SysAdmin.String(),
		Fix: []string{"sudo framescope capture --netns NAME", "or, without framescope's help: sudo nsenter -t PID -n framescope capture"},
	}
}

// diagnoseMPTCP opens a socket.
func diagnoseMPTCP() diagnosis {
	d := diagnosis{Name: "mptcp", State: "yes", Found: "sockets can be opened"}
	b, e := os.ReadFile("/proc/sys/net/mptcp/enabled")
	if e == nil {
		d.Found += "; net.mptcp.enabled is " + strings.TrimSpace(string(b))
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP)
	if err == nil {
		unix.Close(fd)
		if e == nil && strings.TrimSpace(string(b)) == "0" {
			d.State, d.Fix = "no", []string{"sudo sysctl -w net.mptcp.enabled=1"}
		}
		return d
	}
	d.State, d.Found = "no", "socket: "+err.Error()
	if e == nil {
		d.Found += "; net.mptcp.enabled is " + strings.TrimSpace(string(b))
		d.Fix = []string{"sudo sysctl -w net.mptcp.enabled=1"}
	} else {
		d.Fix = []string{"the kernel needs CONFIG_MPTCP: linux 5.6 or later, most distributions since 5.10"}
	}
	return d
}

func diagnoseEndpoints() diagnosis {
	if capability.Effective(capability.NetAdmin) {
		return diagnosis{Name: "endpoints", State: "yes", Found: capability.NetAdmin.String()}
	}
	return diagnosis{
		Name: "endpoints", State: "limited", Found: "can be read; changing them needs " + capability.NetAdmin.String(),
		Fix: []string{"sudo framescope mptcp ...", "unshare -rn     in a namespace of its own, to try things out"},
	}
}

func diagnoseOwners() diagnosis {
	if capability.Effective(capability.SysPtrace) {
		return diagnosis{Name: "owners", State: "yes", Found: capability.SysPtrace.String()}
	}
	return diagnosis{
		Name: "owners", State: "limited", Found: "of your own processes; for others it needs " + capability.SysPtrace.String(),
		Fix: []string{"sudo framescope sockets"},
	}
}
