package framing_test

import (
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"framescope/capture/capturetest"
	"framescope/decode/framing"
)

// tshark returns what tshark says of a recording: for each pair of ports the
// values of each field, in the order of the stream.
func tshark(t *testing.T, name string, fields ...string) map[[2]uint16][][]string {
	t.Helper()
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("tshark is not installed")
	}
	args := []string{"-n", "-r", capturetest.Testdata(t, "framings", name+".pcap"), "-T", "fields",
		"-E", "aggregator=\x01", "-E", "separator=/t", "-e", "tcp.srcport", "-e", "tcp.dstport"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[[2]uint16][][]string{}
	for line := range strings.Lines(string(out)) {
		col := strings.Split(strings.TrimRight(line, "\n"), "\t")
		src, _ := strconv.ParseUint(col[0], 10, 16)
		dst, _ := strconv.ParseUint(col[1], 10, 16)
		key := [2]uint16{uint16(src), uint16(dst)}
		if all[key] == nil {
			all[key] = make([][]string, len(fields))
		}
		for i, values := range col[2:] {
			if values != "" {
				all[key][i] = append(all[key][i], strings.Split(values, "\x01")...)
			}
		}
	}
	return all
}

// value returns a field of a frame without its quotes.
func value(fields, name string) (string, bool) {
	_, rest, ok := strings.Cut(" "+fields, " "+name+"=")
	if !ok {
		return "", false
	}
	word, _, _ := strings.Cut(rest, " ")
	return strings.Trim(word, `"`), true
}

// What PostgreSQL and its clients said to each other: psql, pgbench with a
// pipeline, a cancelled query, a wrong password, TLS refused and accepted.
func TestRecordedPostgreSQL(t *testing.T) {
	// What tshark calls a message, and what its specification does.
	names := map[string]string{
		"SSL request": "SSLRequest", "Startup message": "StartupMessage", "Cancel request": "CancelRequest", "Authentication request": "Authentication",
		"SASLInitialResponse message": "PasswordMessage", "SASLResponse message": "PasswordMessage", "Parameter status": "ParameterStatus",
		"Backend key data": "BackendKeyData", "Ready for query": "ReadyForQuery", "Simple query": "Query", "Command completion": "CommandComplete",
		"Row description": "RowDescription", "Data row": "DataRow", "Error": "ErrorResponse", "Notice": "NoticeResponse", "CopyIn response": "CopyInResponse",
		"CopyOut response": "CopyOutResponse", "Copy data": "CopyData", "Copy completion": "CopyDone", "Notification": "NotificationResponse",
		"Termination": "Terminate", "Parse completion": "ParseComplete", "Bind completion": "BindComplete", "No data": "NoData",
		"Parameter description": "ParameterDescription",
	}
	said := tshark(t, "postgresql", "pgsql.type", "pgsql.length", "pgsql.query")
	f := mustBuiltin(t, "postgresql", framing.Options{})
	kinds := map[string]int{}
	ascii := func(r rune) rune { // tshark writes others as it likes
		if r >= 0x80 {
			return -1
		}
		return r
	}
	messages := 0
	for _, s := range record(t, "postgresql") {
		from := framing.Client
		if s.src == 5432 {
			from = framing.Server
		}
		got := read(t, f, from, s.bytes(t))
		if got.faults != nil {
			t.Fatalf("%d to %d: %q", s.src, s.dst, got.faults)
		}
		var types, lengths, queries []string
		for i, kind := range got.kinds {
			kinds[kind]++
			if strings.HasPrefix(kind, "TLS ") {
				continue // tshark knows TLS by another name
			}
			types = append(types, kind)
			length, _ := value(got.fields[i], "length")
			lengths = append(lengths, length)
			if _, q, ok := strings.Cut(got.fields[i], ` query="`); ok {
				q, _, _ = strings.Cut(q, `" parameter types=`)
				queries = append(queries, strings.Map(ascii, strings.TrimSuffix(q, `" `)))
			}
		}
		want := said[[2]uint16{s.src, s.dst}]
		for i, name := range want[0] {
			if want[0][i] = names[name]; want[0][i] == "" {
				want[0][i] = name
			}
		}
		for i := range want[2] {
			want[2][i] = strings.Map(ascii, want[2][i])
		}
		if !slices.Equal(types, want[0]) || !slices.Equal(lengths, want[1]) || !slices.Equal(queries, want[2]) {
			t.Errorf("%d to %d:\n%q %q %q\ntshark:\n%q", s.src, s.dst, types, lengths, queries, want)
		}
		messages += len(types)
	}
	if messages < 200 || kinds["TLS refused"] != 6 || kinds["TLS accepted"] != 1 || kinds["TLS application_data"] == 0 || kinds["Bind"] == 0 || kinds["CancelRequest"] != 1 {
		t.Errorf("%d messages: %v", messages, kinds)
	}
}

// What Redis and its clients said to each other: redis-cli with RESP2 and RESP3, a
// pipeline, mass insertion, inline commands, messages of a channel.
func TestRecordedRedis(t *testing.T) {
	said := tshark(t, "redis", "resp.bulk_string.length", "resp.array.length", "resp.integer", "resp.string", "resp.error")
	f := mustBuiltin(t, "redis", framing.Options{})
	kinds, compared := map[string]int{}, 0
	var three []string
	for _, s := range record(t, "redis") {
		got := read(t, f, framing.Either, s.bytes(t))
		if got.faults != nil {
			t.Fatalf("%d to %d: %q", s.src, s.dst, got.faults)
		}
		all := make([][]string, 5)
		newer := false
		for i, kind := range got.kinds {
			kinds[kind]++
			at, name := 0, "length"
			switch kind {
			case "string":
				if n, _ := value(got.fields[i], "length"); n != strconv.Itoa(len(got.bodies[i])) {
					t.Errorf("a string of %s bytes has %d", n, len(got.bodies[i]))
				}
			case "null string":
				all[0] = append(all[0], "-1")
				continue
			case "array":
				at, name = 1, "elements"
			case "integer":
				at, name = 2, "integer"
			case "simple string":
				at, name = 3, "string"
			case "error":
				at, name = 4, "error"
			case "inline command":
				continue
			default:
				newer = true
				three = append(three, fmt.Sprint(kind, " ", got.fields[i], got.bodies[i]))
				continue
			}
			_, v, _ := strings.Cut(got.fields[i], " "+name+"=")
			all[at] = append(all[at], strings.Trim(strings.TrimSuffix(strings.TrimSpace(v), `end="`+"\r\n"+`"`), `" `))
		}
		if newer { // tshark knows RESP2 only
			continue
		}
		want := said[[2]uint16{s.src, s.dst}]
		for i := range want {
			for j := range want[i] {
				want[i][j] = strings.TrimSpace(want[i][j])
			}
			if !slices.Equal(all[i], want[i]) {
				t.Errorf("%d to %d:\n%q\ntshark:\n%q", s.src, s.dst, all[i], want[i])
			}
		}
		compared += len(got.kinds)
	}
	if compared < 400 || kinds["inline command"] != 4 || // one of them is an empty line
		kinds["null string"] == 0 {
		t.Errorf("%d elements compared: %v", compared, kinds)
	}
	// What DEBUG PROTOCOL answers, besides others.
	for _, want := range []string{
		`double type="," double="3.141" `, `big number type="(" big number="1234567999999999999999999999999999999" `,
		`null type="_" end="` + "\r\n\" ", `set type="~" elements="3" `, `map type="%" pairs="3" `, `boolean type="#" boolean="t" `, `attribute type="|" pairs="1" `,
		`push type=">" elements="2" `, `verbatim string type="=" length=29 format="txt:" txt:This is a verbatim` + "\nstring",
	} {
		if !slices.Contains(three, want) {
			t.Errorf("no %q in %.3000q", want, three)
		}
	}
}
