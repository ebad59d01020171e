package protocol

import "bytes"

// isSyslogStream looks for messages in lines, or with their length in front (RFC 6587).
func isSyslogStream(client, _ Start) (string, verdict) {
	b := client.Data
	if len(b) == 0 || b[0] != '<' && (b[0] < '1' || b[0] > '9') {
		return Syslog, no
	}
	if n := digits(b[:min(len(b), 6)]); n > 0 {
		if n == len(b) {
			return Syslog, client.short()
		}
		if n > 5 || b[n] != ' ' {
			return Syslog, no
		}
		b = b[n+1:]
	}
	n, ok := priority(b)
	switch {
	case len(b) < 5 && (len(b) == 0 || b[0] == '<'):
		return Syslog, client.short()
	case !ok:
		return Syslog, no
	case len(b) < n+4:
		return Syslog, client.short()
	case month(b[n:]), b[n] == '1' && b[n+1] == ' ' && (b[n+2] == '-' || b[n+2] >= '0' && b[n+2] <= '9'):
		return Syslog, yes
	}
	return Syslog, no
}

// isTNS looks for what a client of Oracle says first.
func isTNS(client, _ Start) (string, verdict) {
	b := client.Data
	for i, c := range b[:min(len(b), 8)] {
		if (i == 2 || i == 3 || i == 5 || i == 6 || i == 7) && c != 0 || i == 4 && c != 1 || i == 1 && be16(b) < 58 {
			return TNS, no
		}
	}
	switch {
	case len(b) == 0:
		return TNS, no
	case bytes.Contains(b[min(len(b), 8):], []byte("(DESCRIPTION=")), bytes.Contains(b[min(len(b), 8):], []byte("(CONNECT_DATA=")):
		return TNS, yes
	case len(b) > 1024:
		return TNS, no
	}
	return TNS, client.short()
}

// isGit looks for a request of git's own protocol: a line with its length.
func isGit(client, _ Start) (string, verdict) {
	b := client.Data
	if len(b) == 0 {
		return Git, no
	}
	for _, c := range b[:min(len(b), 4)] {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return Git, no
		}
	}
	if len(b) < 4 {
		return Git, client.short()
	}
	rest := Start{b[4:], client.Over}
	return Git, max(begins(rest, "git-upload-pack /"), begins(rest, "git-receive-pack /"), begins(rest, "git-upload-archive /"))
}

// isBolt looks for the handshake of Neo4j.
func isBolt(client, _ Start) (string, verdict) {
	if len(client.Data) == 0 {
		return Bolt, no
	}
	return Bolt, begins(client, "\x60\x60\xb0\x17")
}

// isOpenWire looks for the format that both sides of ActiveMQ send first.
func isOpenWire(client, server Start) (string, verdict) {
	return either(client, server, OpenWire, func(d Start) verdict {
		b := d.Data
		if len(b) == 0 || b[0] != 0 || len(b) > 1 && b[1] != 0 || len(b) > 4 && b[4] != 1 {
			return no
		}
		if len(b) < 5 {
			return d.short()
		}
		return begins(Start{b[5:], d.Over}, "ActiveMQ")
	})
}
