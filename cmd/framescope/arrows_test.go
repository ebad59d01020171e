package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// An arrow says what the packages below a folder may import besides their own
// folder and, unless it is denied, the standard library.
type arrow struct {
	from  string
	allow []string
	deny  []string // of the standard library
}

// The arrows of docs/architecture.md. The first that fits a package counts.
var arrows = []arrow{
	{from: "framescope/cmd", allow: []string{"*"}},
	{from: "framescope/capture/netns/netnstest", allow: []string{"framescope/capture", "golang.org/x/sys", "github.com/vishvananda"}, deny: []string{"log", "flag", "net/http"}},
	{from: "framescope/capture", allow: []string{"golang.org/x/sys"}, deny: []string{"log", "flag", "net/http"}},
	{from: "framescope/decode/framing", allow: []string{"framescope/decode", "github.com/goccy/go-yaml"}, deny: inDecode},
	{from: "framescope/decode", deny: inDecode},
	{from: "framescope/mptcpctl", allow: []string{"framescope/probes/nlmsg", "framescope/probes/sockdiag", "framescope/capture/netns", "github.com/vishvananda", "golang.org/x/sys"}, deny: []string{"log", "flag"}},
	{from: "framescope/probes/nlmsg", deny: []string{"log", "flag", "os", "net"}},
	{from: "framescope/probes", allow: []string{"framescope/decode", "framescope/mptcpctl", "framescope/capture/netns", "framescope/capture/capability", "golang.org/x/sys", "github.com/vishvananda"}, deny: []string{"log", "flag"}},
}

// What only tests import.
var forTests = []string{"framescope/capture/capturetest", "framescope/capture/netns/netnstest"}

// Decoders take bytes: no files, no sockets, no processes.
var inDecode = []string{"log", "flag", "os", "os/exec", "net", "net/http", "syscall", "io/ioutil"}

func within(pkg, folder string) bool { return pkg == folder || strings.HasPrefix(pkg, folder+"/") }

func (a arrow) permits(pkg string, std bool) bool {
	if std {
		for _, d := range a.deny {
			if pkg == d {
				return false
			}
		}
		return true
	}
	if within(pkg, a.from) {
		return true
	}
	for _, ok := range a.allow {
		if ok == "*" || within(pkg, ok) {
			return true
		}
	}
	return false
}

func TestArrows(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not in PATH: it lists the imports")
	}
	cmd := exec.Command("go", "list", "-pgo=off", "-json=ImportPath,Imports,Standard", "-deps", "framescope/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	type pkg struct {
		ImportPath string
		Imports    []string
		Standard   bool
	}
	var pkgs []pkg
	std := map[string]bool{"C": false}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		std[p.ImportPath] = p.Standard
		pkgs = append(pkgs, p)
	}
	used := map[string]bool{}
	for _, p := range pkgs {
		if !within(p.ImportPath, "framescope") {
			continue
		}
		for _, a := range arrows {
			if !within(p.ImportPath, a.from) {
				continue
			}
			used[a.from] = true
			for _, imp := range p.Imports {
				if slices.Contains(forTests, imp) {
					t.Errorf("%s imports %s, which is for tests", p.ImportPath, imp)
				}
				if !a.permits(imp, std[imp]) {
					t.Errorf("%s imports %s: docs/architecture.md allows %s only the standard library and %q, without %q",
						p.ImportPath, imp, a.from, a.allow, a.deny)
				}
			}
			break
		}
		if top := strings.Split(p.ImportPath, "/"); len(top) > 1 {
			switch top[1] {
			case "cmd", "capture", "decode", "mptcpctl", "probes":
			default:
				t.Errorf("%s: there is no top folder %s in docs/architecture.md", p.ImportPath, path.Join(top[:2]...))
			}
		}
	}
	for _, must := range []string{"framescope/cmd", "framescope/capture", "framescope/capture/netns/netnstest", "framescope/decode", "framescope/decode/framing", "framescope/probes/nlmsg"} {
		if !used[must] {
			t.Errorf("no package was checked for %s: the list has gone stale", must)
		}
	}
}
