package lab

import (
	"fmt"
	"strings"
)

// Env returns variables that describe the lab to a program that runs on the host
// "on", as NAME=VALUE:
//
//	FRAMESCOPE_LAB_HOST=client           where it runs
//	FRAMESCOPE_LAB_PORT=8000             where peers listen
//	FRAMESCOPE_LAB_SERVER_ADDR_2=...     the server's IPv4 address on link 2
//	FRAMESCOPE_LAB_SERVER_ADDR6_2=...    and that of IPv6
//	FRAMESCOPE_LAB_SERVER_DEV_2=s2       and its interface
//	FRAMESCOPE_LAB_SERVER_NETNS=4711     for framescope's --netns, and nsenter -t
//
// and so on for every host and link.
func (l *Lab) Env(on string) []string {
	all := []string{"FRAMESCOPE_LAB_HOST=" + on, fmt.Sprintf("FRAMESCOPE_LAB_PORT=%d", Port)}
	for _, h := range l.hosts {
		p := "FRAMESCOPE_LAB_" + strings.ToUpper(h.Name) + "_"
		all = append(all, fmt.Sprintf("%sNETNS=%d", p, h.TID()))
		for _, i := range h.Interfaces() {
			all = append(all,
				fmt.Sprintf("%sADDR_%d=%v", p, i.Link, i.Addr.Addr()),
				fmt.Sprintf("%sADDR6_%d=%v", p, i.Link, i.Addr6.Addr()),
				fmt.Sprintf("%sDEV_%d=%s", p, i.Link, i.Dev))
		}
	}
	return all
}
