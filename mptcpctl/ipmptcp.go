package mptcpctl

import (
	"fmt"
	"slices"
	"strings"
)

// ParseIP reads a command line as ip-mptcp(8) does, without the "ip mptcp" it
// begins with: "endpoint add 10.0.0.1 dev eth1 subflow". Words other than flags
// may be shortened. The flag laminar is known, too. Errors are *SyntaxError.
func ParseIP(args []string) (Command, error) {
	w := &words{args: args}
	const objects = "endpoint, limits or monitor"
	s, err := w.next(objects)
	if err != nil {
		return Command{}, err
	}
	switch keyword(s, "endpoint", "limits", "monitor") {
	case "endpoint":
		return parseEndpoint(w)
	case "limits":
		return parseLimits(w)
	case "monitor":
		return Command{Verb: VerbMonitor}, w.end()
	}
	return Command{}, w.wrong(objects)
}

// keyword returns the first of the words that s is or begins.
func keyword(s string, words ...string) string {
	for _, k := range words {
		if s != "" && strings.HasPrefix(k, s) {
			return k
		}
	}
	return ""
}

func parseEndpoint(w *words) (c Command, err error) {
	if !w.more() {
		return Command{Verb: VerbShow}, nil
	}
	s, _ := w.next("")
	switch keyword(s, "add", "change", "delete", "show", "flush") {
	case "add":
		c.Verb = VerbAdd
	case "change":
		c.Verb = VerbChange
	case "delete":
		c.Verb = VerbDelete
	case "show":
		c.Verb = VerbShow
	case "flush":
		return Command{Verb: VerbFlush}, w.end()
	default:
		return c, w.wrong("add, change, delete, show or flush")
	}
	hasID := false
	for w.more() {
		if err := parseOption(w, &c, &hasID); err != nil {
			return c, err
		}
	}
	return c, complete(w, &c, hasID)
}

// parseOption reads one word, with its value if it has one.
func parseOption(w *words, c *Command, hasID *bool) error {
	e := &c.Endpoint
	adding, changing := c.Verb == VerbAdd, c.Verb == VerbChange
	s, _ := w.next("")
	if f, ok := ParseFlag(s); ok {
		switch {
		case !adding && !changing:
			return w.wrong("no flag here")
		case changing && f&changeable == 0:
			return w.wrong("backup, nobackup, fullmesh or nofullmesh: other flags cannot be changed")
		case f == Implicit:
			return w.wrong("another flag: only the kernel makes implicit endpoints")
		}
		e.Flags |= f
		if e.Flags&(Signal|Fullmesh) == Signal|Fullmesh {
			return w.wrong("not both signal and fullmesh")
		}
		return nil
	}
	if changing && (s == "nobackup" || s == "nofullmesh") {
		return nil
	}
	switch keyword(s, "id", "dev", "port") {
	case "id":
		*hasID = true
		if err := w.id(&e.ID); err != nil {
			return err
		}
		// With 0, the kernel chooses the id of a new one.
		if e.ID == 0 && c.Verb != VerbDelete && !adding {
			return w.wrong("an id from 1 to 255")
		}
		return nil
	case "dev":
		if !adding {
			return w.wrong("no interface here: it cannot be changed")
		}
		return w.dev(&e.Dev)
	case "port":
		if !adding && !changing {
			return w.wrong("no port here")
		}
		return w.port(&e.Port)
	}
	w.at--
	if err := w.addr(&e.Addr); err != nil {
		w.at = min(w.at, len(w.args))
		expected := "an address, id or a flag"
		switch c.Verb {
		case VerbAdd:
			expected = "an address, id, dev, port, or one of signal, subflow, backup, fullmesh and laminar"
		case VerbChange:
			expected = "an address, id, port, backup, nobackup, fullmesh or nofullmesh"
		case VerbDelete:
			expected = "id, or an address with id 0"
		case VerbShow:
			expected = "id"
		}
		if near := nearFlag(s); near != "" {
			expected += "; did you mean " + near + "?"
		}
		return w.wrong(expected)
	}
	return nil
}

// nearFlag returns the flag that a word is but for two letters at most, or
// nothing.
func nearFlag(s string) (near string) {
	best := 3
	for _, f := range flagNames {
		if f.flag == Implicit || len(s) < 3 || len(s) > 2*len(f.name) {
			continue
		}
		if n := distance(s, f.name); n < best {
			best, near = n, f.name
		}
	}
	return near
}

// distance is how many letters have to be put in, taken out or replaced to make
// one word of another.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost++
			}
			last, row[j+1] = row[j+1], min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// complete checks what belongs together.
func complete(w *words, c *Command, hasID bool) error {
	e := &c.Endpoint
	missing := func(what string) error { return &SyntaxError{Arg: len(w.args) + 1, Expected: what} }
	at := func(word, expected string) error {
		i := slices.Index(w.args, word)
		return &SyntaxError{Arg: i + 1, Found: word, Expected: expected}
	}
	switch c.Verb {
	case VerbAdd:
		switch {
		case !e.Addr.IsValid():
			return missing("an address")
		case e.Port != 0 && e.Flags&Signal == 0:
			return missing("signal, which a port needs")
		}
	case VerbDelete:
		switch {
		case !hasID:
			return missing("id ID")
		case e.ID != 0 && e.Addr.IsValid():
			return at("id", "id 0 where there is an address")
		case e.ID == 0 && !e.Addr.IsValid():
			return missing("an address, which id 0 needs")
		}
	case VerbChange:
		switch {
		case !hasID && !e.Addr.IsValid():
			return missing("id ID, or an address")
		case hasID && e.Port != 0:
			return at("port", "no port where there is an id")
		}
	case VerbShow:
		if e.Addr.IsValid() {
			return missing("id ID in place of the address")
		}
	}
	return nil
}

func parseLimits(w *words) (c Command, err error) {
	if !w.more() {
		return Command{Verb: VerbShowLimits}, nil
	}
	s, _ := w.next("")
	switch keyword(s, "set", "show") {
	case "set":
		c.Verb = VerbSetLimits
	case "show":
		return Command{Verb: VerbShowLimits}, w.end()
	default:
		return c, w.wrong("set or show")
	}
	const expected = "subflows or add_addr_accepted"
	for first := true; first || w.more(); first = false {
		s, err := w.next(expected)
		if err != nil {
			return c, err
		}
		var to **uint32
		switch keyword(s, "subflows", "add_addr_accepted") {
		case "subflows":
			to = &c.Limits.Subflows
		case "add_addr_accepted":
			to = &c.Limits.AddAddrAccepted
		default:
			return c, w.wrong(expected)
		}
		n, err := w.number("a limit", MaxLimit)
		if err != nil {
			return c, err
		}
		v := uint32(n)
		*to = &v
	}
	return c, nil
}

// AppendIP appends the endpoint as "ip mptcp endpoint show" prints it, with the
// end of the line.
func (e Endpoint) AppendIP(dst []byte) []byte {
	if e.Addr.IsValid() {
		dst = append(e.Addr.AppendTo(dst), ' ')
	}
	if e.Port != 0 {
		dst = fmt.Appendf(dst, "port %d ", e.Port)
	}
	dst = fmt.Appendf(dst, "id %d ", e.ID)
	names, rest := e.Flags.Names()
	for _, n := range names {
		dst = append(append(dst, n...), ' ')
	}
	if rest != 0 {
		dst = fmt.Appendf(dst, "rawflags %02x ", uint32(rest))
	}
	if e.Dev != "" {
		dst = append(append(append(dst, "dev "...), e.Dev...), ' ')
	}
	return append(dst, '\n')
}

// AppendIP appends the limits as "ip mptcp limits show" prints them, with the end
// of the line.
func (l Limits) AppendIP(dst []byte) []byte { return append(append(dst, l.String()...), " \n"...) }

// ipEvents are the names of events that ip-mptcp(8) prints.
var ipEvents = map[EventType]string{
	EventCreated: "CREATED", EventEstablished: "ESTABLISHED", EventClosed: "CLOSED",
	EventAnnounced: "ANNOUNCED", EventRemoved: "REMOVED",
	EventSubEstablished: "SF_ESTABLISHED", EventSubClosed: "SF_CLOSED", EventSubPriority: "SF_PRIO",
	EventListenerCreated: "LISTENER_CREATED", EventListenerClosed: "LISTENER_CLOSED",
	EventLost: "LOST", EventFound: "FOUND", EventSubFound: "SF_FOUND", EventGone: "GONE", EventSubGone: "SF_GONE",
}

// AppendIP appends the event as "ip mptcp monitor" prints it, with the end of
// the line. An event that it does not know it would print as [UNKNOWN n],
// without attributes.
func (e *Event) AppendIP(dst []byte) []byte {
	name, ok := ipEvents[e.Type]
	if !ok {
		return fmt.Appendf(dst, "[UNKNOWN %d]\n", e.Type)
	}
	dst = fmt.Appendf(dst, "[%16s]", name)
	put := func(a EventAttrs, format string, v any) {
		if e.Has(a) {
			dst = fmt.Appendf(append(dst, ' '), format, v)
		}
	}
	put(AttrToken, "token=%v", e.Token)
	put(AttrRemoteID, "remid=%d", e.RemoteID)
	put(AttrLocalID, "locid=%d", e.LocalID)
	v4 := e.Local.Addr().Is4() || e.Remote.Addr().Is4()
	if v4 {
		put(AttrLocalAddr, "saddr4=%v", e.Local.Addr())
		put(AttrRemoteAddr, "daddr4=%v", e.Remote.Addr())
	} else {
		put(AttrLocalAddr, "saddr6=%v", e.Local.Addr())
		put(AttrRemoteAddr, "daddr6=%v", e.Remote.Addr())
	}
	put(AttrLocalPort, "sport=%d", e.Local.Port())
	put(AttrRemotePort, "dport=%d", e.Remote.Port())
	put(AttrBackup, "backup=%d", e.Backup)
	put(AttrError, "error=%d", e.Error)
	put(AttrFlags, "flags=%x", e.Flags)
	put(AttrTimeout, "timeout=%d", e.Timeout)
	put(AttrIfIndex, "ifindex=%d", e.IfIndex)
	put(AttrResetReason, "reset_reason=%d", e.ResetReason)
	put(AttrResetFlags, "reset_flags=0x%x", e.ResetFlags)
	return append(dst, '\n')
}
