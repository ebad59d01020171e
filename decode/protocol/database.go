package protocol

import "bytes"

func le32(b []byte) int64 {
	return int64(b[0]) | int64(b[1])<<8 | int64(b[2])<<16 | int64(b[3])<<24
}

// isMongoDB looks for a message header and what its operation begins with.
func isMongoDB(client, server Start) (string, verdict) {
	return either(client, server, MongoDB, func(d Start) verdict {
		b := d.Data
		if len(b) == 0 || len(b) >= 4 && (le32(b) < 21 || le32(b) > 48<<20) {
			return no
		}
		if len(b) < 21 {
			if len(b) >= 14 && b[13] != 7 && b[13] != 0 || len(b) >= 16 && be16(b[14:]) != 0 {
				return no
			}
			return d.short()
		}
		switch le32(b[12:]) {
		case 2013: // OP_MSG: flags, then a section
			if flags := le32(b[16:]); flags&^0x10003 == 0 && b[20] <= 1 {
				return yes
			}
		case 2012: // OP_COMPRESSED: of what
			if op := le32(b[16:]); op == 2013 || op == 2004 || op == 1 {
				return yes
			}
		case 2004: // OP_QUERY
			name := b[20:min(len(b), 148)]
			i := bytes.IndexByte(name, 0)
			switch {
			case i < 0 && len(name) < 128:
				return d.short()
			case i > 2 && printable(name[:i]) && bytes.IndexByte(name[:i], '.') > 0:
				return yes
			}
		case 1: // OP_REPLY
			if le32(b[8:]) == 0 || le32(b[16:]) > 15 || le32(b) < 41 {
				return no
			}
			if len(b) < 42 {
				return d.short()
			}
			// A document, as long as it says.
			if n := le32(b[36:]); le32(b[32:]) > 0 && b[40] > 0 && b[40] < 0x14 && b[41] > ' ' && b[41] < 0x7f && n >= 5 && n <= le32(b)-36 && (le32(b[32:]) > 1 || n == le32(b)-36) {
				return yes
			}
		}
		return no
	})
}

// isKafka looks for a request header; the answer repeats its number.
func isKafka(client, server Start) (string, verdict) {
	b := client.Data
	if len(b) == 0 || b[0] != 0 {
		return Kafka, no
	}
	if len(b) < 14 {
		if len(b) >= 6 && (b[4] != 0 || b[5] > 100) || len(b) >= 8 && (b[6] != 0 || b[7] > 20) {
			return Kafka, no
		}
		return Kafka, client.short()
	}
	size, key, version, name := be32(b), be16(b[4:]), be16(b[6:]), int(int16(be16(b[12:])))
	if size < 10 || key > 100 || version > 20 || name < -1 || int64(name) > size-10 || name > 255 {
		return Kafka, no
	}
	if name > 0 && !printable(b[14:min(len(b), 14+name)]) {
		return Kafka, no
	}
	if name > len(b)-14 {
		return Kafka, client.short()
	}
	switch {
	case len(server.Data) >= 8:
		// Small numbers are alike in many protocols: a name or a number tells.
		if be32(server.Data[4:]) == be32(b[8:]) && (name > 0 || be32(b[8:]) > 0 && size+4 == int64(len(b))) && be32(server.Data) >= 4 && be32(server.Data) < 1<<28 {
			return Kafka, yes
		}
		return Kafka, no
	case !server.Over:
		return Kafka, maybe
	case name >= 3 && len(b) >= 14+name && (key == 18 || key == 3 || key == 0 || key == 1) && be32(b[8:]) < 1<<16:
		return Kafka, yes
	}
	return Kafka, no
}

// isCassandra looks for a frame of CQL: STARTUP or OPTIONS, or what answers them.
func isCassandra(client, server Start) (string, verdict) {
	b := client.Data
	if len(b) == 0 {
		return Cassandra, no
	}
	if b[0] < 3 || b[0] > 5 || len(b) > 1 && b[1] > 0x1f || len(b) > 4 && b[4] != 1 && b[4] != 5 || len(b) >= 9 && be32(b[5:]) > 4096 {
		return Cassandra, no
	}
	switch {
	case len(b) < 9:
		return Cassandra, client.short()
	case b[4] == 1 && int64(len(b)) < 9+be32(b[5:]) && !client.Over:
		return Cassandra, maybe
	case b[4] == 1 && bytes.Contains(b[9:], []byte("CQL_VERSION")):
		return Cassandra, yes
	case b[4] == 1 || be32(b[5:]) != 0:
		return Cassandra, no
	case len(server.Data) < 5:
		return Cassandra, server.short()
	}
	if s := server.Data; s[0]&0x80 != 0 && s[0]&0x7f >= 3 && s[0]&0x7f <= 5 && (s[4] == 6 || s[4] == 0) {
		return Cassandra, yes
	}
	return Cassandra, no
}

// isTDS looks for what SQL Server expects first: PRELOGIN or LOGIN7 (MS-TDS section
// 2.2.3.1).
func isTDS(client, _ Start) (string, verdict) {
	b := client.Data
	for i, c := range b[:min(len(b), 8)] {
		ok := true
		switch i {
		case 0:
			ok = c == 0x12 || c == 0x10
		case 1:
			ok = c <= 1
		case 3:
			ok = be16(b[2:]) >= 14
		case 7:
			ok = c == 0
		}
		if !ok {
			return TDS, no
		}
	}
	switch {
	case len(b) == 0:
		return TDS, no
	case len(b) < 14:
		return TDS, client.short()
	case b[0] == 0x10:
		if le32(b[8:]) == int64(be16(b[2:]))-8 {
			return TDS, yes
		}
		return TDS, no
	}
	// Options: VERSION comes first, its value behind them.
	if at := be16(b[9:]); b[8] == 0 && be16(b[11:]) == 6 && at < be16(b[2:]) && at >= 6 && at%5 == 1 {
		return TDS, yes
	}
	return TDS, no
}
