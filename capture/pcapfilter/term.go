package pcapfilter

import "strconv"

// term parses a primitive that begins with a word of the language, or
// arithmetic that does.
func (c *compiler) term() operand {
	t := c.tok()
	o := operand{at: t}
	switch {
	case t.is("-") || t.is("len"):
		return c.relation(c.primary(), t)
	case layerOf[t.text] != noLayer:
		c.advance()
		if c.tok().is("[") {
			return c.relation(c.field(t), t)
		}
		if c.qualified(&o, t.text) {
			return o
		}
		o.cond = c.abbreviation(t)
		return o
	}
	if c.qualified(&o, "") {
		return o
	}
	c.advance()
	switch t.text {
	case "less", "greater":
		n := c.tok()
		if n.kind != tokNumber {
			c.unexpected("a number")
		}
		c.advance()
		if o.cond = compare(testGe, c.length(), n.number); t.text == "less" {
			o.cond = not(compare(testGt, c.length(), n.number))
		}
	case "byte":
		o.cond = c.byteTest(t)
	case "inbound", "outbound":
		o.cond = c.direction(t)
	case "ifindex":
		n := c.tok()
		if n.kind != tokNumber {
			c.unexpected("a number")
		}
		c.advance()
		o.cond = c.interfaceIndex(t, n.number)
	case "vlan", "mpls", "pppoes", "geneve":
		n, at, given := c.optionalNumber()
		o.cond = c.tunnel(t, at, n, given)
	case "pppoed":
		o.cond = c.linkType(t, typePPPoD)
	case "llc":
		o.cond = c.llc(t)
	case "gateway", "protochain":
		c.pos--
		c.refuse(t)
	default:
		c.pos--
		c.refuse(t)
	}
	return o
}

// refuse says that a word of the language cannot stand here, or is not
// supported anywhere.
func (c *compiler) refuse(t token) {
	switch t.text {
	case "gateway":
		c.fail(t, t, "gateway is not supported", "write it out: ether host ADDRESS and not host ADDRESS")
	case "protochain":
		c.fail(t, t, "protochain is not supported: the kernel takes no program with a loop", "test single headers: ip6 proto NUMBER, ip6[40] = NUMBER")
	case "ifname", "rset", "rnr", "srnr", "reason", "action":
		c.failAt(t, "tests of the BSDs' pf are not supported")
	case "lane", "metac", "bcc", "oam", "oamf4", "oamf4ec", "oamf4sc", "sc", "ilmic", "vpi", "vci", "connectmsg", "metaconnect":
		c.failAt(t, "tests of raw ATM are not supported")
	case "fisu", "lssu", "msu", "hfisu", "hlssu", "hmsu", "sio", "opc", "dpc", "sls", "hsio", "hopc", "hdpc", "hsls":
		c.failAt(t, "tests of SS7 are not supported")
	}
	c.unexpected("a condition")
}

// qualified parses what begins with a direction or type, behind the protocol
// proto if that is not "". It returns false if nothing of the kind stands here.
func (c *compiler) qualified(o *operand, proto string) bool {
	t := c.tok()
	if t.kind != tokKeyword {
		return false
	}
	q := quals{proto: proto, ok: true, at: o.at}
	switch t.text {
	case "src", "dst":
		c.advance()
		q.dir = t.text
		if join := c.tok(); join.is("or") || join.is("and") {
			c.advance()
			other := "src"
			if t.text == "src" {
				other = "dst"
			}
			if !c.accept(other) {
				c.unexpected(other)
			}
			q.dir = join.text
		}
		c.optionalType(&q)
	case "addr1", "addr2", "addr3", "addr4", "ra", "ta":
		c.advance()
		q.dir = t.text
		c.optionalType(&q)
	case "host", "net", "port", "portrange", "proto":
		c.advance()
		q.typ = t.text
	case "gateway", "protochain":
		c.refuse(t)
	case "broadcast":
		c.advance()
		o.cond = c.broadcast(o.at, proto)
		return true
	case "multicast":
		c.advance()
		o.cond = c.multicast(o.at, proto)
		return true
	case "type", "subtype", "dir":
		c.advance()
		o.cond = c.wlan(t)
		return true
	default:
		return false
	}
	id := c.settle(c.operand(q, true, false), q, true)
	o.cond, o.q = id.cond, q
	return true
}

func (c *compiler) optionalType(q *quals) {
	switch t := c.tok(); {
	case t.is("host"), t.is("net"), t.is("port"), t.is("portrange"):
		c.advance()
		q.typ = t.text
	}
}

// byteTest is "byte N op N".
func (c *compiler) byteTest(at token) *cond {
	index := c.tok()
	if index.kind != tokNumber {
		c.unexpected("a number")
	}
	c.advance()
	op := c.tok()
	if !op.is("=") && !op.is("<") && !op.is(">") {
		if op.is("&") || op.is("|") {
			c.fail(op, op, "byte with "+op.text+" is not supported", "write link["+strconv.FormatUint(uint64(index.number), 10)+"] "+op.text+" NUMBER != 0")
		}
		c.unexpected("=, < or >")
	}
	c.advance()
	n := c.tok()
	if n.kind != tokNumber {
		c.unexpected("a number")
	}
	c.advance()
	v := c.at(c.header(at), int64(index.number), 1)
	switch op.text {
	case "=":
		return eq(v, n.number)
	case ">":
		return compare(testGt, v, n.number)
	}
	return not(compare(testGe, v, n.number))
}
