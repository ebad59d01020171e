package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"framescope/capture/netns"
	"framescope/probes/nlmsg"
)

// What golang.org/x/sys/unix does not have of linux/netfilter/nf_tables.h.
const (
	cmpEqual, cmpGreater = 0, 4
	nfDrop               = 0
	optionKind           = 30 // MPTCP, RFC 8684 section 8.1
	table                = "lab"
)

// chains are the chains of the table by Hook. They come before the ones that
// programs usually make.
var chains = [...]struct {
	name           string
	hook, priority int32
}{
	Prerouting:  {"prerouting", unix.NF_INET_PRE_ROUTING, -300},
	Input:       {"input", unix.NF_INET_LOCAL_IN, 0},
	Forward:     {"forward", unix.NF_INET_FORWARD, 0},
	Postrouting: {"postrouting", unix.NF_INET_POST_ROUTING, 0},
}

// masqueradeChain is the chain of the type nat.
const masqueradeChain = "masquerade"

// A filter is the table of rules of one host.
type filter struct {
	mu     sync.Mutex
	fd     int
	seq    uint32
	chains map[string]bool
}

// openFilter opens nf_tables in a namespace.
func openFilter(ns *os.File) (*filter, error) {
	f := &filter{fd: -1, chains: map[string]bool{}}
	err := netns.Do(ns, func() (err error) {
		f.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
		if errors.Is(err, unix.EPROTONOSUPPORT) {
			return ErrNoNFT
		} else if err != nil {
			return err
		}
		tv := unix.NsecToTimeval((5 * time.Second).Nanoseconds())
		return errors.Join(unix.SetsockoptTimeval(f.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv),
			unix.Bind(f.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
	})
	if err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *filter) close() {
	if f.fd >= 0 {
		unix.Close(f.fd)
		f.fd = -1
	}
}

// add appends the rule to its chain.
func (f *filter) add(r Rule) (*Box, error) {
	e, err := r.expressions()
	if err != nil {
		return nil, err
	}
	if int(r.Hook) >= len(chains) {
		return nil, fmt.Errorf("hook %d: there is none", r.Hook)
	}
	c := chains[r.Hook]
	kind := "filter"
	if r.Action == Masquerade {
		c.name, c.hook, c.priority, kind = masqueradeChain, unix.NF_INET_POST_ROUTING, 100, "nat"
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var b batch
	b.begin(f)
	if !f.chains[c.name] {
		b.message(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, attr(unix.NFTA_TABLE_NAME, zero(table)))
		b.message(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE,
			attr(unix.NFTA_CHAIN_TABLE, zero(table)), attr(unix.NFTA_CHAIN_NAME, zero(c.name)),
			nest(unix.NFTA_CHAIN_HOOK, be32(unix.NFTA_HOOK_HOOKNUM, uint32(c.hook)), be32(unix.NFTA_HOOK_PRIORITY, uint32(c.priority))),
			attr(unix.NFTA_CHAIN_TYPE, zero(kind)))
	}
	b.message(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND|unix.NLM_F_ECHO,
		attr(unix.NFTA_RULE_TABLE, zero(table)), attr(unix.NFTA_RULE_CHAIN, zero(c.name)), nest(unix.NFTA_RULE_EXPRESSIONS, e...))
	answers, err := b.run(f)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL) && r.Action != Drop:
		return nil, fmt.Errorf("%w (%w)", ErrNoNFT, err)
	case err != nil:
		return nil, err
	}
	f.chains[c.name] = true
	box := &Box{Rule: r, f: f, chain: c.name}
	for _, a := range answers {
		if h := nlmsg.Find(a, unix.NFTA_RULE_HANDLE); len(h) == 8 {
			box.handle = binary.BigEndian.Uint64(h)
		}
	}
	if box.handle == 0 {
		return nil, errors.New("nf_tables: no answer says how the rule is called")
	}
	return box, nil
}

// which are the attributes that name a rule.
func (b *Box) which() [][]byte {
	return [][]byte{attr(unix.NFTA_RULE_TABLE, zero(table)), attr(unix.NFTA_RULE_CHAIN, zero(b.chain)),
		attr(unix.NFTA_RULE_HANDLE, binary.BigEndian.AppendUint64(nil, b.handle))}
}

func (f *filter) remove(b *Box) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var t batch
	t.begin(f)
	t.message(unix.NFT_MSG_DELRULE, 0, b.which()...)
	_, err := t.run(f)
	return err
}

// packets reads the counter of a rule.
func (f *filter) packets(b *Box) (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var t batch
	t.single(f, unix.NFT_MSG_GETRULE, b.which()...)
	answers, err := t.run(f)
	if err != nil {
		return 0, err
	}
	for _, a := range answers {
		for _, e := range nlmsg.Attrs(nlmsg.Find(a, unix.NFTA_RULE_EXPRESSIONS)) {
			if name := nlmsg.Find(e, unix.NFTA_EXPR_NAME); string(name) != "counter\x00" {
				continue
			}
			if n := nlmsg.Find(nlmsg.Find(e, unix.NFTA_EXPR_DATA), unix.NFTA_COUNTER_PACKETS); len(n) == 8 {
				return binary.BigEndian.Uint64(n), nil
			}
		}
	}
	return 0, errors.New("nf_tables: the rule has no counter")
}

// A batch is a transaction: all of its messages are done, or none.
type batch struct {
	b           []byte
	first, next uint32
	wait        map[uint32]bool // for acknowledgements
	one         bool
}

func (b *batch) start(f *filter) {
	b.first, b.next, b.wait = f.seq+1, f.seq+1, map[uint32]bool{}
}

func (b *batch) begin(f *filter) {
	b.start(f)
	b.header(unix.NFNL_MSG_BATCH_BEGIN, unix.NLM_F_REQUEST, unix.NFNL_SUBSYS_NFTABLES)
}

// single is a request outside of a transaction.
func (b *batch) single(f *filter, msg uint16, attributes ...[]byte) {
	b.start(f)
	b.one = true
	b.message(msg, 0, attributes...)
}

// header appends the headers of a message and returns where it begins.
func (b *batch) header(typ, flags uint16, res uint16) int {
	at := len(b.b)
	b.b = nlmsg.AppendHeader(b.b, typ, flags, b.next)
	family := byte(unix.NFPROTO_INET)
	if res != 0 {
		family = 0
	}
	b.b = append(b.b, family, 0)
	b.b = binary.BigEndian.AppendUint16(b.b, res)
	nlmsg.End(b.b, at)
	b.next++
	return at
}

func (b *batch) message(msg, flags uint16, attributes ...[]byte) {
	b.wait[b.next] = true
	at := b.header(unix.NFNL_SUBSYS_NFTABLES<<8|msg, flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK, 0)
	for _, a := range attributes {
		b.b = append(b.b, a...)
	}
	nlmsg.End(b.b, at)
}

// run sends the batch, waits for all answers, and returns the attributes of those
// that are no acknowledgements.
func (b *batch) run(f *filter) (answers [][]byte, err error) {
	if !b.one {
		b.header(unix.NFNL_MSG_BATCH_END, unix.NLM_F_REQUEST, unix.NFNL_SUBSYS_NFTABLES)
	}
	f.seq = b.next
	if err := unix.Sendto(f.fd, b.b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	buf := make([]byte, 64<<10)
	for len(b.wait) > 0 {
		n, _, err := unix.Recvfrom(f.fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("nf_tables: no answer: %w", err)
		}
		// After an error the rest of the transaction is answered perhaps: that
		// is skipped by its numbers.
		if err := b.take(buf[:n], &answers); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// take reads one datagram of answers.
func (b *batch) take(d []byte, answers *[][]byte) error {
	var m nlmsg.Message
	for len(d) >= nlmsg.HeaderLen {
		rest, ok := m.Cut(d)
		if !ok {
			return errors.New("nf_tables: an answer is cut off")
		}
		d = rest
		switch {
		case m.Seq < b.first || m.Seq >= b.next || len(m.Body) < 4:
		case m.Type == nlmsg.TypeError:
			if errno, _, _ := m.Errno(); errno != 0 {
				return errno
			}
			delete(b.wait, m.Seq)
		case m.Type>>8 == unix.NFNL_SUBSYS_NFTABLES:
			*answers = append(*answers, append([]byte(nil), m.Body[4:]...))
		}
	}
	return nil
}
