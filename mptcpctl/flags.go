package mptcpctl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Flags say what an endpoint is for (MPTCP_PM_ADDR_FLAG_*).
type Flags uint32

// The flags of an endpoint.
const (
	// Signal: the address is told to peers (ADD_ADDR), who may connect to it.
	Signal Flags = 1 << iota
	// Subflow: connections that this host opened get a subflow from the address.
	Subflow
	// Backup: peers are asked to send on subflows from the address only when
	// there is no other.
	Backup
	// Fullmesh: a subflow from the address to every address of the peer.
	Fullmesh
	// Implicit: the kernel made the endpoint itself, for an address that a
	// subflow uses. It cannot be asked for.
	Implicit
	// Laminar: subflows to addresses that a peer signals begin at the address
	// (Linux 6.18).
	Laminar
)

// flagNames are the words of ip-mptcp(8), in the order in which it prints them.
var flagNames = [...]struct {
	name string
	flag Flags
}{
	{"signal", Signal}, {"subflow", Subflow}, {"backup", Backup}, {"fullmesh", Fullmesh}, {"implicit", Implicit}, {"laminar", Laminar},
}

// ParseFlag returns the flag of a name.
func ParseFlag(name string) (Flags, bool) {
	for _, f := range flagNames {
		if f.name == name {
			return f.flag, true
		}
	}
	return 0, false
}

// Names returns the names of the flags in f, in the order of ip-mptcp(8), and
// the bits that have no name.
func (f Flags) Names() (names []string, rest Flags) {
	rest = f
	for _, n := range flagNames {
		if f&n.flag != 0 {
			names = append(names, n.name)
			rest &^= n.flag
		}
	}
	return names, rest
}

// String returns the names separated by blanks; bits without a name as
// "rawflags 80", in hexadecimal.
func (f Flags) String() string {
	names, rest := f.Names()
	if rest != 0 {
		names = append(names, fmt.Sprintf("rawflags %02x", uint32(rest)))
	}
	return strings.Join(names, " ")
}

// String returns the endpoint in the words of ip-mptcp(8), as they can be typed
// after "ip mptcp endpoint add".
func (e Endpoint) String() string {
	var words []string
	if e.Addr.IsValid() {
		words = append(words, e.Addr.String())
	}
	if e.Port != 0 {
		words = append(words, "port "+strconv.Itoa(int(e.Port)))
	}
	if e.ID != 0 {
		words = append(words, "id "+strconv.Itoa(int(e.ID)))
	}
	if e.Flags != 0 {
		words = append(words, e.Flags.String())
	}
	if e.Dev != "" {
		words = append(words, "dev "+e.Dev)
	}
	return strings.Join(words, " ")
}

// plainEndpoint is an endpoint as JSON and YAML have it: as "ip -j mptcp
// endpoint" prints it, with a list of flags accepted as well.
type plainEndpoint struct {
	Address  netip.Addr `json:"address" yaml:"address"`
	Port     uint16     `json:"port,omitempty" yaml:"port,omitempty"`
	ID       uint8      `json:"id,omitempty" yaml:"id,omitempty"`
	Signal   bool       `json:"signal,omitempty" yaml:"signal,omitempty"`
	Subflow  bool       `json:"subflow,omitempty" yaml:"subflow,omitempty"`
	Backup   bool       `json:"backup,omitempty" yaml:"backup,omitempty"`
	Fullmesh bool       `json:"fullmesh,omitempty" yaml:"fullmesh,omitempty"`
	Implicit bool       `json:"implicit,omitempty" yaml:"implicit,omitempty"`
	Laminar  bool       `json:"laminar,omitempty" yaml:"laminar,omitempty"`
	Raw      string     `json:"rawflags,omitempty" yaml:"rawflags,omitempty"`
	Dev      string     `json:"dev,omitempty" yaml:"dev,omitempty"`
	Flags    []string   `json:"flags,omitempty" yaml:"flags,omitempty"`
}

func (e Endpoint) plain() plainEndpoint {
	p := plainEndpoint{Address: e.Addr, Port: e.Port, ID: e.ID, Dev: e.Dev}
	for i, b := range p.bools() {
		*b = e.Flags&flagNames[i].flag != 0
	}
	if _, rest := e.Flags.Names(); rest != 0 {
		p.Raw = fmt.Sprintf("%02x", uint32(rest))
	}
	return p
}

// bools are the flags of p in the order of flagNames.
func (p *plainEndpoint) bools() [len(flagNames)]*bool {
	return [...]*bool{&p.Signal, &p.Subflow, &p.Backup, &p.Fullmesh, &p.Implicit, &p.Laminar}
}

func (e *Endpoint) set(p *plainEndpoint) error {
	n := Endpoint{ID: p.ID, Addr: p.Address, Port: p.Port, Dev: p.Dev}
	for i, b := range p.bools() {
		if *b {
			n.Flags |= flagNames[i].flag
		}
	}
	if p.Raw != "" {
		raw, err := strconv.ParseUint(p.Raw, 16, 32)
		if err != nil {
			return fmt.Errorf("endpoint %v: rawflags %q: expected a hexadecimal number", p.Address, p.Raw)
		}
		n.Flags |= Flags(raw)
	}
	for _, name := range p.Flags {
		f, ok := ParseFlag(name)
		if !ok {
			return fmt.Errorf("endpoint %v: there is no flag %q: expected signal, subflow, backup, fullmesh or laminar", p.Address, name)
		}
		n.Flags |= f
	}
	*e = n
	return nil
}

// MarshalJSON writes the object that "ip -j mptcp endpoint show" writes.
func (e Endpoint) MarshalJSON() ([]byte, error) { return json.Marshal(e.plain()) }

// UnmarshalJSON reads what MarshalJSON or ip-mptcp(8) wrote, or an object with a
// list of flags: {"address":"10.0.0.1","flags":["subflow","backup"]}.
func (e *Endpoint) UnmarshalJSON(b []byte) error {
	var p plainEndpoint
	// A name that is misspelt would leave out what it is about.
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		if !p.Address.IsValid() {
			return fmt.Errorf("endpoint: %w", err)
		}
		return fmt.Errorf("endpoint %v: %w", p.Address, err)
	}
	return e.set(&p)
}

// MarshalYAML returns what stands for the endpoint in YAML: the same fields as
// in JSON.
func (e Endpoint) MarshalYAML() (any, error) { return e.plain(), nil }

// UnmarshalYAML reads the same fields as UnmarshalJSON.
func (e *Endpoint) UnmarshalYAML(decode func(any) error) error {
	var p plainEndpoint
	if err := decode(&p); err != nil {
		return err
	}
	return e.set(&p)
}
