// Package capability says which rights of linux a process has, and gives them
// up: capabilities(7).
package capability

import "errors"

// ErrNotSupported: this system, or this build, has no capabilities to give up.
var ErrNotSupported = errors.New("capabilities exist on linux only")

// A Cap is the number of a capability, as in linux/capability.h.
type Cap uint

// Capabilities that framescope has a use for.
const (
	DACOverride Cap = 1  // write into directories of others
	NetAdmin    Cap = 12 // configure interfaces and endpoints
	NetRaw      Cap = 13 // capture
	SysPtrace   Cap = 19 // see the files of other users' processes
	SysAdmin    Cap = 21 // enter namespaces
	Perfmon     Cap = 38 // have programs in the kernel read its memory
	BPF         Cap = 39 // have programs in the kernel
)

// String returns its name, such as CAP_NET_RAW, for the capabilities above.
func (c Cap) String() string {
	switch c {
	case DACOverride:
		return "CAP_DAC_OVERRIDE"
	case NetAdmin:
		return "CAP_NET_ADMIN"
	case NetRaw:
		return "CAP_NET_RAW"
	case SysPtrace:
		return "CAP_SYS_PTRACE"
	case SysAdmin:
		return "CAP_SYS_ADMIN"
	case Perfmon:
		return "CAP_PERFMON"
	case BPF:
		return "CAP_BPF"
	}
	return "a capability"
}
