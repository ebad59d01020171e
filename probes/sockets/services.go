package sockets

import (
	"os"
	"strconv"
	"strings"
	"sync"
)

// services are the names of ports that the system knows.
type services struct {
	ports map[string]uint16 // by name/protocol, and by name
	names map[string]string // by port/protocol
}

var systemServices = sync.OnceValue(func() *services {
	s := &services{map[string]uint16{}, map[string]string{}}
	f, err := os.Open("/etc/services")
	if err != nil {
		return s
	}
	defer f.Close()
	for line := range lines(f) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		port, proto, _ := strings.Cut(f[1], "/")
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			continue
		}
		if _, ok := s.names[f[1]]; !ok {
			s.names[f[1]] = f[0]
		}
		for i, name := range f {
			if i == 1 {
				continue
			}
			s.ports[name+"/"+proto] = uint16(n)
			if _, ok := s.ports[name]; !ok {
				s.ports[name] = uint16(n)
			}
		}
	}
	return s
})

// Service returns the name of a port as /etc/services has it, or "".
func Service(k Kind, port uint16) string {
	proto := k.String()
	switch k {
	case MPTCP:
		proto = "tcp"
	case UDPLite:
		proto = "udp"
	}
	return systemServices().names[strconv.Itoa(int(port))+"/"+proto]
}

// Port returns the port that a number or the name of a service stands for.
func Port(s string) (port uint16, ok bool) { return servicePort(s) }

// servicePort returns the port of a number or a name.
func servicePort(s string) (uint16, bool) {
	if n, err := strconv.ParseUint(s, 10, 16); err == nil {
		return uint16(n), true
	}
	n, ok := systemServices().ports[s]
	return n, ok
}
