package output

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"framescope/decode/filter"
	"framescope/decode/finding"
	"framescope/decode/record"
	"framescope/decode/record/recordtest"
)

var docs = filepath.Join("..", "..", "..", "..", "docs", "output.md")

// The page says what the registry says.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	page := strings.ReplaceAll(string(b), "\r\n", "\n")
	want := page
	for name, text := range map[string]string{"table": exampleTable(t), "list": exampleList(t), "records": recordTables(), "findings": findingTable(), "aliases": aliasTable()} {
		mark := "<!-- generated: " + name + " -->\n"
		before, rest, ok := strings.Cut(want, mark)
		_, after, closed := strings.Cut(rest, "<!-- end -->")
		if !ok || !closed {
			t.Fatalf("no mark %q", mark)
		}
		want = before + mark + text + "<!-- end -->" + after
	}
	if *update && want != page {
		if err := os.WriteFile(docs, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		page = want
	}
	if page != want {
		t.Error("docs/output.md is not what the registry says: run with -update")
	}
}

func exampleTable(t *testing.T) string {
	return "```\n" + print(t, "table", Options{Width: 100}, append(append(ordinary(recordtest.Conn(1)), failed(recordtest.Conn(2))...), summary(2, 1, 1))...) + "```\n"
}

// exampleList is the table where there was no WebSocket.
func exampleList(t *testing.T) string {
	tls := &record.ConnEnd{
		Head: recordtest.Head(recordtest.Conn(1), record.None, 0, 0, 0), Protocol: "tls", Duration: 1_200_000_000, End: "fin",
		Client: record.Traffic{Packets: 9, Bytes: 700}, Server: record.Traffic{Packets: 8, Bytes: 4300},
	}
	total := &record.Summary{Head: record.Head{File: "x.pcap"}, Packets: 31, Bytes: 7400, Connections: 1, Flows: 1, Memberships: 1, First: recordtest.Start, Last: recordtest.Start + 3_000_000_000}
	return "```\n" + print(t, "table", Options{Width: 100}, append(append([]record.Record{tls}, recordtest.Loose()...), total)...) + "```\n"
}

// common are the fields that every type has, or nearly every one.
var common = []string{"type", "ts", "file", "conn", "direction", "packet.first", "packet.last", "sender.ip", "sender.port", "receiver.ip", "receiver.port"}

func recordTables() string {
	var out strings.Builder
	row := func(f record.Field) {
		name := "`" + f.Name + "`"
		switch {
		case f.FilterOnly:
			name = "*" + name + "* †"
		case f.Derived && f.Name != "type":
			name = "*" + name + "*"
		}
		kind := f.Kind.String()
		if f.Many && f.Kind != record.KindPairs && f.Kind != record.KindObjects {
			kind = "list of " + kind
		}
		fmt.Fprintf(&out, "| %s | %s | %s |\n", name, kind, strings.ReplaceAll(f.Doc, "|", `\|`))
	}
	const head = "| field | kind | meaning |\n|---|---|---|\n"
	out.WriteString("### In all records\n\nThose that apply; a summary has no connection and no packets of its own.\n\n" + head)
	for _, name := range common {
		b, _ := record.Lookup(name)
		row(*b.Any())
	}
	for _, r := range recordtest.Full() {
		typ := r.Type()
		fmt.Fprintf(&out, "\n### %s\n\n%s\n\n```json\n%s\n```\n\n", typ, typ.Doc(), record.AppendJSON(nil, r, nil))
		for _, also := range recordtest.Loose() {
			if also.Type() == typ {
				fmt.Fprintf(&out, "```json\n%s\n```\n\n", record.AppendJSON(nil, also, nil))
			}
		}
		out.WriteString(head)
		for _, f := range record.Fields(typ) {
			if slices.Contains(common, f.Name) {
				continue
			}
			row(f)
			for _, sub := range f.Sub {
				sub.Many = false
				row(sub)
			}
		}
	}
	return out.String()
}

func findingTable() string {
	var out strings.Builder
	out.WriteString("| id | severity | layer | what was found |\n|---|---|---|---|\n")
	ids := slices.Collect(finding.All())
	slices.SortFunc(ids, func(a, b finding.ID) int { return strings.Compare(a.String(), b.String()) })
	for _, id := range ids {
		in := id.Info()
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", id, in.Severity, in.Layer, in.Title)
	}
	return out.String()
}

func aliasTable() string {
	var out strings.Builder
	out.WriteString("| name | stands for |\n|---|---|\n")
	for _, name := range record.Aliases() {
		fmt.Fprintf(&out, "| `%s` | `%s` |\n", name, strings.Join(record.Alias(name), "`, `"))
	}
	return out.String()
}

// Every expression on the page compiles.
func TestDocsExamples(t *testing.T) {
	b, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "<!-- examples -->")
	rest, _, _ = strings.Cut(rest, "<!-- end -->")
	found := regexp.MustCompile("(?m)^\\| `(.*?)` \\|").FindAllStringSubmatch(rest, -1)
	if len(found) < 10 {
		t.Fatalf("%d examples", len(found))
	}
	for _, m := range found {
		if _, err := filter.Compile(strings.ReplaceAll(m[1], `\|`, "|")); err != nil {
			t.Error(err)
		}
	}
	for l := range strings.Lines(string(b)) {
		if expr, ok := strings.CutPrefix(l, "    "); ok && strings.Contains(expr, "==") && !strings.HasPrefix(expr, " ") {
			if _, err := filter.Compile(strings.TrimSpace(expr)); err != nil {
				t.Error(err)
			}
		}
	}
}
