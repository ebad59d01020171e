package pcapfile

import (
	"bytes"
	"math"
	"net/netip"
	"strconv"
)

// meta is what a capture says besides packets. The mutex of the Reader guards
// it; what has been appended is not changed any more, interfaces aside.
type meta struct {
	interfaces []Interface
	sections   []Section
	secrets    []Secret
	names      []Name
	comments   []Comment
	blocks     map[uint32]*BlockCount
	stats      Stats

	text, secret int // bytes that are kept
}

// Bytes that a kept item costs besides its text.
const overhead = 64

// Packet.Interface is 16 bits wide, and no capture comes near that.
const mostInterfaces = math.MaxUint16

const (
	mostBlockTypes = 256
	otherTypes     = math.MaxUint32
)

// count adds one to a number of r.meta.stats.
func (r *Reader) count(n *int64) {
	r.mu.Lock()
	*n++
	r.mu.Unlock()
}

// keep reports whether n more bytes of text may be kept. The caller holds r.mu.
func (r *Reader) keep(n int) bool {
	if r.meta.text+n > r.cfg.MaxText {
		r.meta.stats.LostText++
		return false
	}
	r.meta.text += n
	return true
}

// keepText returns b as text, or "" when it may not be kept. The caller holds
// r.mu.
func (r *Reader) keepText(b []byte) string {
	b = bytes.TrimRight(b, "\x00") // some writers count it as text
	if len(b) == 0 || !r.keep(len(b)) {
		return ""
	}
	return string(b)
}

// addInterface adds an interface with its Name, Description, Hardware, OS and
// Filter, and returns its index.
func (r *Reader) addInterface(i Interface, text ...[]byte) (uint16, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.meta.interfaces)
	if n > mostInterfaces {
		return 0, causef(ErrCorrupt, "the file describes more than %d", mostInterfaces+1)
	}
	for k, s := range []*string{&i.Name, &i.Description, &i.Hardware, &i.OS, &i.Filter} {
		if k < len(text) {
			*s = r.keepText(text[k])
		}
	}
	r.meta.interfaces = append(r.meta.interfaces, i)
	return uint16(n), nil
}

// addStatistic notes what a statistics block says about an interface.
func (r *Reader) addStatistic(index, code uint16, n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, v := &r.meta.interfaces[index], int64(min(n, math.MaxInt64))
	switch code {
	case optReceived:
		i.Received = v
	case optDropped:
		i.Dropped = v
	case optSystemDrops:
		i.SystemDropped = v
	}
}

func (r *Reader) addSection(hardware, os, application []byte, big bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keep(overhead) {
		r.meta.sections = append(r.meta.sections, Section{
			Hardware: r.keepText(hardware), OS: r.keepText(os), Application: r.keepText(application),
			BigEndian: big, Interface: len(r.meta.interfaces),
		})
	}
}

func (r *Reader) addComment(number int64, text []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text = bytes.TrimRight(text, "\x00")
	if r.keep(len(text) + overhead) {
		r.meta.comments = append(r.meta.comments, Comment{Packet: number, Text: string(text)})
	}
}

func (r *Reader) addName(a netip.Addr, name []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keep(len(name) + overhead) {
		r.meta.names = append(r.meta.names, Name{Addr: a, Name: string(name)})
	}
}

func (r *Reader) addSecret(typ uint32, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Secret{Type: typ}
	if room := r.cfg.MaxSecrets - r.meta.secret - overhead; len(data) > room {
		r.meta.stats.LostSecrets++
		if typ != SecretTLS || room <= 0 {
			return
		}
		if data = data[:bytes.LastIndexByte(data[:room], '\n')+1]; len(data) == 0 {
			return
		}
		s.Cut = true
	}
	s.Data = bytes.Clone(data)
	r.meta.secret += len(data) + overhead
	r.meta.secrets = append(r.meta.secrets, s)
}

// countBlock counts a block that is stepped over; wanted says that it is only
// because of its size.
func (r *Reader) countBlock(typ uint32, size int64, wanted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if wanted {
		if typ == blockSecrets {
			r.meta.stats.LostSecrets++
		} else {
			r.meta.stats.LostText++
		}
	}
	m := &r.meta
	if m.blocks == nil {
		m.blocks = make(map[uint32]*BlockCount)
	}
	c := m.blocks[typ]
	if c == nil {
		name := blockName(typ)
		if len(m.blocks) >= mostBlockTypes {
			typ, name = otherTypes, "others"
		}
		if c = m.blocks[typ]; c == nil {
			c = &BlockCount{Type: typ, Name: name}
			m.blocks[typ] = c
		}
	}
	c.Blocks++
	c.Bytes += size
}

// blockName returns what is known of a block type.
func blockName(typ uint32) string {
	switch typ {
	case blockSection:
		return "section header"
	case blockInterface:
		return "interface description"
	case blockPacket:
		return "packet"
	case blockSimple:
		return "simple packet"
	case blockNames:
		return "name resolution"
	case blockStatistics:
		return "interface statistics"
	case blockEnhanced:
		return "enhanced packet"
	case 7:
		return "IRIG timestamp"
	case 8:
		return "ARINC 429"
	case 9:
		return "systemd journal entry"
	case blockSecrets:
		return "decryption secrets"
	case 0xbad, 0x40000bad:
		return "custom"
	case 0x80000001:
		return "Darwin process"
	}
	if typ >= 0x201 && typ <= 0x221 {
		return "sysdig"
	}
	return "0x" + strconv.FormatUint(uint64(typ), 16)
}
