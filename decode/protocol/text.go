package protocol

import (
	"bytes"
	"encoding/json"
)

// isSSH looks for an identification string (RFC 4253 section 4.2).
func isSSH(client, server Start) (string, verdict) {
	return either(client, server, SSH, func(d Start) verdict {
		if len(d.Data) == 0 {
			return no
		}
		return max(begins(d, "SSH-2.0-"), begins(d, "SSH-1."))
	})
}

// isRedis looks for a command, or for an answer that no other server gives.
func isRedis(client, server Start) (string, verdict) {
	if len(client.Data) > 0 && client.Data[0] == '*' {
		return Redis, command(client)
	}
	word := bytes.ToUpper(client.Data[:min(len(client.Data), 6)])
	switch {
	case string(word) == "PING\r\n" && len(server.Data) > 0:
		return Redis, begins(server, "+PONG\r\n")
	case string(word) == "INFO\r\n" && len(server.Data) > 0 && server.Data[0] == '$':
		_, rest, found := bytes.Cut(server.Data, []byte("\r\n"))
		if !found {
			return Redis, server.short()
		}
		return Redis, begins(Start{rest, server.Over}, "# Server")
	case len(word) > 0 && max(begins(Start{word, client.Over}, "PING\r\n"), begins(Start{word, client.Over}, "INFO\r\n")) == maybe:
		return Redis, maybe
	case string(word) == "PING\r\n" || string(word) == "INFO\r\n":
		return Redis, server.short()
	case len(server.Data) > 0:
		return Redis, max(begins(server, "-NOAUTH Authentication required"), begins(server, "-DENIED Redis is running in protected mode"))
	}
	return Redis, no
}

// command reports whether d begins with an array of strings, the first of which
// is a word.
func command(d Start) verdict {
	b := d.Data
	n, b, v := number(d, b, '*')
	if v != yes {
		return v
	}
	size, b, v := number(d, b, '$')
	switch {
	case v != yes:
		return v
	case n < 1 || n > 1<<20 || size < 1 || size > 64:
		return no
	case len(b) < size+2:
		return d.short()
	}
	for _, c := range b[:size] {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return no
		}
	}
	if b[size] != '\r' || b[size+1] != '\n' {
		return no
	}
	return yes
}

// number reads a line of a letter and a number.
func number(d Start, b []byte, letter byte) (n int, rest []byte, v verdict) {
	if len(b) == 0 {
		return 0, nil, d.short()
	}
	if b[0] != letter {
		return 0, nil, no
	}
	for i := 1; ; i++ {
		switch {
		case i > 9:
			return 0, nil, no
		case i >= len(b), b[i] == '\r' && i+1 >= len(b):
			return 0, nil, d.short()
		case b[i] == '\r' && b[i+1] == '\n' && i > 1:
			return n, b[i+2:], yes
		case b[i] < '0' || b[i] > '9':
			return 0, nil, no
		}
		n = n*10 + int(b[i]-'0')
	}
}

// isSMTP looks for the server's greeting and the client's: FTP begins with the
// same code.
func isSMTP(client, server Start) (string, verdict) {
	greets := greeting(client)
	if len(server.Data) == 0 {
		if greets == yes && !server.Over {
			return SMTP, maybe // the server may say more
		}
		return SMTP, greets
	}
	b := server.Data
	if middle(client) == yes && begins(server, "250 ") == yes {
		return SMTP, yes
	}
	if begins(server, "220") != yes {
		return SMTP, begins(server, "220")
	}
	if len(b) < 4 {
		return SMTP, server.short()
	}
	if b[3] != ' ' && b[3] != '-' {
		return SMTP, no
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	if len(client.Data) > 0 {
		if greets == no && bare(client) != no { // without the name that belongs there
			switch {
			case bytes.Contains(bytes.ToUpper(line), []byte("SMTP")):
				return SMTP, bare(client)
			case len(line) == len(b):
				return SMTP, server.short()
			}
		}
		return SMTP, greets
	}
	if !client.Over {
		return SMTP, maybe
	}
	if bytes.Contains(bytes.ToUpper(line), []byte("SMTP")) {
		return SMTP, yes
	}
	return SMTP, no
}

// greeting reports whether a client says EHLO or HELO.
func greeting(d Start) verdict {
	if len(d.Data) == 0 {
		return no
	}
	word := Start{bytes.ToUpper(d.Data[:min(len(d.Data), 5)]), d.Over}
	return max(begins(word, "EHLO "), begins(word, "HELO "))
}

// middle reports whether a client names who a message is from or to, as it does
// when the greeting was not captured.
func middle(d Start) verdict {
	if len(d.Data) == 0 {
		return no
	}
	line := Start{bytes.ToUpper(d.Data[:min(len(d.Data), 11)]), d.Over}
	return max(begins(line, "MAIL FROM:<"), begins(line, "RCPT TO:<"))
}

// bare reports whether a client says EHLO or HELO and no more.
func bare(d Start) verdict {
	word := Start{bytes.ToUpper(d.Data[:min(len(d.Data), 6)]), d.Over}
	return max(begins(word, "EHLO\r\n"), begins(word, "HELO\r\n"))
}

// isJSONLines looks for objects that stand in lines of their own, in each
// direction that says anything.
func isJSONLines(client, server Start) (string, verdict) {
	a, b := objects(client), objects(server)
	switch {
	case a < 0 || b < 0 || a+b == 0 && client.Over && server.Over:
		return JSONLines, no
	case a > 0 && b > 0, a > 1 && len(server.Data) == 0, b > 1 && len(client.Data) == 0:
		return JSONLines, yes
	case a+b > 0 && client.Over && server.Over:
		return JSONLines, yes
	}
	return JSONLines, maybe
}

// objects counts the lines of d, each of which is a JSON object; -1 says that
// there are others.
func objects(d Start) (n int) {
	b := d.Data
	for len(b) > 0 {
		if b[0] != '{' {
			return -1
		}
		line, rest, found := bytes.Cut(b, []byte("\n"))
		if !found {
			if n == 0 && d.Over {
				return -1
			}
			for _, c := range line {
				if c < ' ' && c != '\t' && c != '\r' {
					return -1
				}
			}
			break
		}
		if !json.Valid(line) {
			return -1
		}
		n++
		b = rest
	}
	return n
}
