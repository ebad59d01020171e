package protocol

import "bytes"

// word returns the first word of d in capitals, and whether it is all there.
func word(d Start) (w string, whole bool) {
	b := d.Data[:min(len(d.Data), 16)]
	if i := bytes.IndexAny(b, " \r\n"); i >= 0 {
		return string(bytes.ToUpper(b[:i])), true
	}
	return string(bytes.ToUpper(b)), len(d.Data) >= 16 || d.Over
}

// says reports whether the first word of d is one of those.
func says(d Start, words ...string) verdict {
	if len(d.Data) == 0 {
		return d.short()
	}
	w, whole := word(d)
	for _, s := range words {
		switch {
		case w == s && whole:
			return yes
		case !whole && len(w) <= len(s) && s[:len(w)] == w:
			return maybe
		}
	}
	return no
}

// greets asks a protocol whose server speaks first: how it begins, what its client
// may answer, and what tells where no client was captured.
func greets(client, server Start, hello, sign string, words ...string) verdict {
	if len(server.Data) == 0 {
		return no
	}
	v := begins(server, hello)
	if v != yes {
		return v
	}
	if len(client.Data) > 0 || !client.Over {
		return says(client, words...)
	}
	line, _, _ := bytes.Cut(server.Data[:min(len(server.Data), 512)], []byte("\n"))
	if bytes.Contains(bytes.ToUpper(line), []byte(sign)) {
		return yes
	}
	return no
}

// isFTP looks for a greeting and a command (RFC 959 section 5.4).
func isFTP(client, server Start) (string, verdict) {
	if len(server.Data) > 3 && server.Data[3] != ' ' && server.Data[3] != '-' {
		return FTP, no
	}
	v := greets(client, server, "220", "FTP", "USER", "AUTH", "FEAT", "OPTS", "SYST", "HOST", "PASS", "ADAT", "PBSZ")
	return FTP, v
}

// isPOP3 looks for a greeting and a command (RFC 1939 section 4).
func isPOP3(client, server Start) (string, verdict) {
	return POP3, greets(client, server, "+OK", "POP", "USER", "CAPA", "STLS", "APOP", "AUTH", "STAT", "LIST", "RETR", "UIDL")
}

// isIMAP looks for a greeting (RFC 9051 section 7.1), or for answers.
func isIMAP(client, server Start) (string, verdict) {
	b := server.Data
	if len(b) == 0 {
		return IMAP, no
	}
	for i := range min(len(b), 2) {
		if b[i] != "* "[i] {
			return IMAP, no
		}
	}
	line, _, found := bytes.Cut(b[min(len(b), 2):min(len(b), 512)], []byte("\r\n"))
	if !found && len(b) < 512 {
		return IMAP, server.short()
	}
	if i := digits(line); i > 0 && i < 10 { // "* 12 EXISTS"
		for _, s := range []string{" FETCH (", " EXISTS", " RECENT", " EXPUNGE"} {
			if bytes.HasPrefix(line[i:], []byte(s)) {
				return IMAP, yes
			}
		}
		return IMAP, no
	}
	for _, s := range []string{"OK [CAPABILITY IMAP4", "CAPABILITY IMAP4", "PREAUTH ", "LIST (", "FLAGS (", "SEARCH "} {
		if bytes.HasPrefix(line, []byte(s)) {
			return IMAP, yes
		}
	}
	if !bytes.HasPrefix(line, []byte("OK")) && !bytes.HasPrefix(line, []byte("BYE")) {
		return IMAP, no
	}
	if bytes.Contains(bytes.ToUpper(line), []byte("IMAP")) {
		return IMAP, yes
	}
	if len(client.Data) == 0 {
		return IMAP, client.short()
	}
	_, command, found := bytes.Cut(client.Data[:min(len(client.Data), 32)], []byte(" "))
	if !found {
		return IMAP, client.short()
	}
	return IMAP, says(Start{command, client.Over}, "CAPABILITY", "LOGIN", "AUTHENTICATE", "STARTTLS", "ID", "NOOP", "LOGOUT", "SELECT", "EXAMINE", "LIST", "UID")
}

func digits(b []byte) (n int) {
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	return n
}

// isTelnet looks for options that are negotiated (RFC 854, RFC 855): two in a row,
// or one each way.
func isTelnet(client, server Start) (string, verdict) {
	a, b := commands(client), commands(server)
	switch {
	case a > 1 || b > 1 || a == 1 && b == 1:
		return Telnet, yes
	case a == 1 && !server.Over || b == 1 && !client.Over, a < 0 && b >= -1 || b < 0 && a >= -1:
		return Telnet, maybe
	}
	return Telnet, no
}

// commands counts the negotiations that d begins with; -1 says that there are too
// few bytes to tell.
func commands(d Start) (n int) {
	b := d.Data
	for n < 2 {
		switch {
		case len(b) < 3:
			if n == 0 && !d.Over && len(b) > 0 && b[0] == 0xff && (len(b) < 2 || b[1] >= 0xfb && b[1] <= 0xfe) {
				return -1
			}
			return n
		case b[0] != 0xff || b[1] < 0xfb || b[1] == 0xff || b[2] > 50 && b[2] != 255 && b[2] != 200:
			return n
		}
		n++
		b = b[3:]
	}
	return n
}
