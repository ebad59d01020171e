package sockets

import (
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"

	"framescope/probes/sockdiag"
)

// Limits of an expression.
const (
	maxExprLen   = 1 << 16
	maxExprDepth = 100
)

// A SyntaxError says what is wrong with an expression, and where.
type SyntaxError struct {
	Expr string
	Off  int // in bytes
	Msg  string
}

// Error returns the offset and what is wrong.
func (e *SyntaxError) Error() string { return fmt.Sprintf("offset %d: %s", e.Off, e.Msg) }

// Parse reads a filter in the grammar of ss(8):
//
//	state established and ( dport = :ssh or sport = :ssh )
//	dst 10.0.0.0/8:443
//	exclude time-wait not src [::1]
//
// A state filter may stand wherever a condition may. The empty expression selects
// everything: the result is nil. Names of hosts are looked up. The error is a
// *SyntaxError.
func Parse(expr string) (*Expr, error) { return parse(expr, lookupHost) }

// lookupHost finds the addresses of a host.
func lookupHost(name string) ([]net.IP, error) { return net.LookupIP(name) }

func parse(expr string, lookup func(string) ([]net.IP, error)) (*Expr, error) {
	if len(expr) > maxExprLen {
		return nil, &SyntaxError{expr[:40] + "...", 0, "the expression is too long"}
	}
	p := parser{src: expr, lookup: lookup}
	p.next()
	if p.tok == "" {
		return nil, nil
	}
	states, err := p.stateFilter()
	if err != nil {
		return nil, err
	}
	if p.tok == "" {
		return states, nil
	}
	if states != nil && p.is("and", "&&", "&") {
		// Of what is tied together with and, the state is a part: it does not stand
		// before the whole.
		p, states = parser{src: expr, lookup: lookup}, nil
		p.next()
	}
	e, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if p.tok != "" {
		return nil, p.fail("expected and, or, or the end, not %q", p.tok)
	}
	if states != nil {
		e = And(states, e)
	}
	return e.push(false), nil
}

// push returns e, or its contrary, with negations on conditions only.
func (e *Expr) push(not bool) *Expr {
	switch e.op {
	case opNot:
		return e.sub[0].push(!not)
	case opAnd, opOr:
		x := &Expr{op: e.op}
		if not {
			x.op = opAnd + opOr - e.op
		}
		for _, s := range e.sub {
			x.sub = append(x.sub, s.push(not))
		}
		return x
	}
	if not {
		return &Expr{op: opNot, sub: []*Expr{e}}
	}
	return e
}

type parser struct {
	src string
	pos int // behind tok
	tok string
	at  int // of tok

	lookup func(string) ([]net.IP, error)
}

func (p *parser) fail(format string, args ...any) error {
	return &SyntaxError{p.src, p.at, fmt.Sprintf(format, args...)}
}

// next reads the next token: a word, a comparison, or a parenthesis.
func (p *parser) next() {
	for p.pos < len(p.src) && strings.IndexByte(" \t\n", p.src[p.pos]) >= 0 {
		p.pos++
	}
	p.at = p.pos
	rest := p.src[p.pos:]
	for _, t := range []string{"(", ")", "||", "&&", "|", "&", "==", "!=", ">=", "<=", "=", ">", "<", "!"} {
		if strings.HasPrefix(rest, t) {
			p.tok = t
			p.pos += len(t)
			return
		}
	}
	n := strings.IndexAny(rest, " \t\n()=<>!|&")
	if n < 0 {
		n = len(rest)
	}
	p.tok = rest[:n]
	p.pos += n
}

func (p *parser) is(words ...string) bool {
	for _, w := range words {
		if strings.EqualFold(p.tok, w) {
			return true
		}
	}
	return false
}

// stateFilter reads what ss has before the conditions: states are added up, and
// what is excluded taken away. It stops where something else begins.
func (p *parser) stateFilter() (*Expr, error) {
	var set sockdiag.States
	any, all := false, ^sockdiag.States(0)
	for p.is("state", "exclude") {
		exclude := p.is("exclude")
		save := *p
		p.next()
		s, ok := stateNames[strings.ToLower(strings.ReplaceAll(p.tok, "_", "-"))]
		if !ok {
			return nil, p.fail("there is no state %q; states: established, syn-sent, syn-recv, fin-wait-1, fin-wait-2, time-wait, closed, close-wait, last-ack, listening, closing, bound-inactive (bound), all, connected, synchronized, bucket, big", p.tok)
		}
		p.next()
		if p.is("or", "|", "||") {
			*p = save // it is a condition
			break
		}
		switch {
		case exclude && !any:
			set, any = all&^s, true
		case exclude:
			set &^= s
		default:
			set, any = set|s, true
		}
	}
	if !any {
		return nil, nil
	}
	return &Expr{op: opState, set: set}, nil
}

const connected = sockdiag.AllStates &^ (1<<sockdiag.CloseState | 1<<sockdiag.Listen)

var stateNames = map[string]sockdiag.States{
	"all": sockdiag.AllStates, "connected": connected, "synchronized": connected &^ (1 << sockdiag.SynSent),
	"bucket": 1<<sockdiag.SynRecv | 1<<sockdiag.TimeWait,
	"big":    sockdiag.AllStates &^ (1<<sockdiag.SynRecv | 1<<sockdiag.TimeWait),

	"established": 1 << sockdiag.Established, "estab": 1 << sockdiag.Established,
	"syn-sent": 1 << sockdiag.SynSent, "syn-recv": 1 << sockdiag.SynRecv, "syn-rcv": 1 << sockdiag.SynRecv,
	"fin-wait-1": 1 << sockdiag.FinWait1, "fin-wait1": 1 << sockdiag.FinWait1,
	"fin-wait-2": 1 << sockdiag.FinWait2, "fin-wait2": 1 << sockdiag.FinWait2, "time-wait": 1 << sockdiag.TimeWait,
	"closed": 1 << sockdiag.CloseState, "close": 1 << sockdiag.CloseState, "unconnected": 1 << sockdiag.CloseState, "unconn": 1 << sockdiag.CloseState,
	"close-wait": 1 << sockdiag.CloseWait, "last-ack": 1 << sockdiag.LastAck,
	"listening": 1 << sockdiag.Listen, "listen": 1 << sockdiag.Listen, "closing": 1 << sockdiag.Closing,
	"idle": 1 << sockdiag.CloseState, "bound-inactive": 1 << sockdiag.BoundInactive, "bound": 1 << sockdiag.BoundInactive,
}

func (p *parser) or(depth int) (*Expr, error) {
	e, err := p.and(depth)
	if err != nil || !p.is("or", "|", "||") {
		return e, err
	}
	x := &Expr{op: opOr, sub: []*Expr{e}}
	for p.is("or", "|", "||") {
		p.next()
		if e, err = p.and(depth); err != nil {
			return nil, err
		}
		x.sub = append(x.sub, e)
	}
	return x, nil
}

// and reads conditions that all hold: with or without an and between them.
func (p *parser) and(depth int) (*Expr, error) {
	e, err := p.not(depth)
	if err != nil {
		return nil, err
	}
	x := &Expr{op: opAnd, sub: []*Expr{e}}
	for p.tok != "" && !p.is("or", "|", "||", ")") {
		if p.is("and", "&", "&&") {
			p.next()
		}
		if e, err = p.not(depth); err != nil {
			return nil, err
		}
		x.sub = append(x.sub, e)
	}
	if len(x.sub) == 1 {
		return e, nil
	}
	return x, nil
}

func (p *parser) not(depth int) (*Expr, error) {
	if depth > maxExprDepth {
		return nil, p.fail("too many parentheses and negations inside each other")
	}
	switch {
	case p.is("not", "!"):
		p.next()
		e, err := p.not(depth + 1)
		if err != nil {
			return nil, err
		}
		return &Expr{op: opNot, sub: []*Expr{e}}, nil
	case p.is("("):
		p.next()
		e, err := p.or(depth + 1)
		if err != nil {
			return nil, err
		}
		if !p.is(")") {
			return nil, p.fail("expected ) before %q", p.tok)
		}
		p.next()
		return e, nil
	}
	return p.condition()
}

var comparisons = map[string]compare{
	"=": cmpEQ, "==": cmpEQ, "eq": cmpEQ, "!=": cmpNE, "ne": cmpNE, "neq": cmpNE, ">=": cmpGE, "ge": cmpGE, "geq": cmpGE,
	"<=": cmpLE, "le": cmpLE, "leq": cmpLE, ">": cmpGT, "gt": cmpGT, "<": cmpLT, "lt": cmpLT,
}

func (p *parser) condition() (*Expr, error) {
	word := strings.ToLower(p.tok)
	switch word {
	case "state", "exclude":
		e, err := p.stateFilter()
		if e == nil && err == nil { // followed by or: one state, not a list
			p.next()
			e = &Expr{op: opState, set: stateNames[strings.ToLower(strings.ReplaceAll(p.tok, "_", "-"))]}
			if word == "exclude" {
				e.set = ^e.set
			}
			p.next()
		}
		return e, err
	case "src", "dst", "sport", "dport":
		return p.address(word)
	case "dev", "fwmark", "cgroup":
		return p.object(word)
	case "autobound":
		p.next()
		return &Expr{op: opAuto}, nil
	case "":
		return nil, p.fail("a condition is missing")
	}
	return nil, p.fail("expected state, src, dst, sport, dport, dev, fwmark, cgroup, autobound, not or (, not %q", p.tok)
}

func (p *parser) address(word string) (*Expr, error) {
	p.next()
	cmp, given := comparisons[strings.ToLower(p.tok)]
	if given {
		p.next()
	}
	value := p.tok
	if value == "" || value == "(" || value == ")" {
		return nil, p.fail("%s: an address or port is missing", word)
	}
	e := &Expr{cmp: cmp}
	var err error
	if word == "sport" || word == "dport" {
		e.op = map[string]exprOp{"sport": opSport, "dport": opDport}[word]
		if e.host.ports, err = parsePorts(value[strings.LastIndexByte(value, ':')+1:]); err != nil {
			return nil, p.fail("%s: %v", word, err)
		}
		if len(e.host.ports) == 0 {
			return nil, p.fail("%s: a port is missing, such as :443", word)
		}
		p.next()
		return e, nil
	}
	e.op = map[string]exprOp{"src": opSrc, "dst": opDst}[word]
	if e.host, err = parseHost(value, p.lookup); err != nil {
		return nil, p.fail("%s: %v", word, err)
	}
	e.name = e.host.dev
	if cmp > cmpNE && len(e.host.ports) == 0 {
		return nil, p.fail("%s: an address is neither more nor less than another; sport and dport compare", word)
	}
	p.next()
	switch cmp {
	case cmpEQ:
		return e, nil
	case cmpNE:
		e.cmp = cmpEQ
		return &Expr{op: opNot, sub: []*Expr{e}}, nil
	}
	// ss compares ports then
	port := &Expr{op: map[string]exprOp{"src": opSport, "dst": opDport}[word], cmp: cmp, host: host{ports: e.host.ports}}
	e.host.ports, e.cmp = nil, cmpEQ
	return And(e, port), nil
}

// object reads a comparison with an interface, a mark or a cgroup.
func (p *parser) object(word string) (*Expr, error) {
	p.next()
	cmp, given := comparisons[p.tok]
	if given {
		p.next()
	}
	if cmp > cmpNE {
		return nil, p.fail("%s: expected = or !=", word)
	}
	value := p.tok
	if value == "" {
		return nil, p.fail("%s: a value is missing", word)
	}
	e := &Expr{cmp: cmp, has: true}
	switch word {
	case "dev":
		e.op = opDev
		if n, err := strconv.ParseUint(value, 10, 32); err == nil {
			e.num = n
		} else {
			e.name = value
		}
	case "fwmark":
		e.op, e.mask = opMark, math.MaxUint32
		num, mask, masked := strings.Cut(value, "/")
		n, err := strconv.ParseUint(num, 0, 32)
		if err == nil && masked {
			e.mask, err = strconv.ParseUint(mask, 0, 32)
		}
		if err != nil {
			return nil, p.fail("fwmark: expected MARK or MARK/MASK, not %q", value)
		}
		e.num = n & e.mask
	case "cgroup":
		e.op = opCgroup
		id, err := cgroupID(value)
		if err != nil {
			return nil, p.fail("cgroup: %v", err)
		}
		e.num = id
	}
	p.next()
	return e, nil
}
