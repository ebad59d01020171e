package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"

	"framescope/decode"
	"framescope/probes/nlmsg"
)

// linux/sock_diag.h, linux/inet_diag.h
const (
	getTCP        = 18 // TCPDIAG_GETSOCK
	getDCCP       = 19 // DCCPDIAG_GETSOCK
	getByFamily   = 20 // SOCK_DIAG_BY_FAMILY
	destroySocket = 21 // SOCK_DESTROY
)

var ne = binary.NativeEndian

// uncut says why m could not be cut from b.
func uncut(m *nlmsg.Message, b []byte) error {
	if len(b) < nlmsg.HeaderLen {
		return malformed(0, "header", "%d of %d bytes are there", len(b), nlmsg.HeaderLen)
	}
	return malformed(0, "length", "%d, of a message in %d bytes", m.Len, len(b))
}

func malformed(off int, field, format string, args ...any) error {
	return &decode.Error{Layer: "netlink", Off: int64(off), Field: field, Err: fmt.Errorf(format, args...)}
}

var errShort = errors.New("message ends too early")
