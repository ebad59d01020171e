package ring

import (
	"encoding/binary"
	"syscall"

	"golang.org/x/sys/unix"
)

// largest returns the length of the largest packets that an interface, or any,
// may show: the kernel splits and merges them behind the place where they are
// captured (IFLA_GSO_MAX_SIZE and others, linux/if_link.h).
func largest(name string) int {
	size := 1 << 16
	b, err := syscall.NetlinkRIB(unix.RTM_GETLINK, unix.AF_UNSPEC)
	if err != nil {
		return size
	}
	messages, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return size
	}
	for i := range messages {
		m := &messages[i]
		if m.Header.Type != unix.RTM_NEWLINK {
			continue
		}
		attrs, err := syscall.ParseNetlinkRouteAttr(m)
		if err != nil {
			continue
		}
		most, found := 0, name == Any
		for _, a := range attrs {
			switch a.Attr.Type {
			case unix.IFLA_IFNAME:
				found = found || unix.ByteSliceToString(a.Value) == name
			case unix.IFLA_GSO_MAX_SIZE, unix.IFLA_GSO_IPV4_MAX_SIZE, unix.IFLA_GRO_MAX_SIZE, unix.IFLA_GRO_IPV4_MAX_SIZE:
				if len(a.Value) >= 4 {
					most = max(most, int(binary.NativeEndian.Uint32(a.Value)))
				}
			}
		}
		if found {
			size = max(size, most)
		}
	}
	return size
}

// blockFor returns the size of blocks for packets up to a length.
func blockFor(length int) int {
	size := minBlock
	for size < maxBlock && size < 2*length {
		size *= 2
	}
	return size
}
