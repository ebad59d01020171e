package sockets

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A service that starts later gets its name, and what is not there is not looked
// for all the time.
func TestCgroups(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "cgroup.controllers"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	defer func(was []string) { cgroupMounts = was }(cgroupMounts)
	cgroupMounts = []string{dir}
	start := func(name string) (id uint64) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		id, err := cgroupID(name)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	first := start("a.service")
	for path, want := range map[string]string{
		"..": "outside", "../..": "outside", "/../../../etc": "outside", dir + "/../..": "no cgroup", "cgroup.controllers": "no cgroup", "zz": "no cgroup",
	} {
		if id, err := cgroupID(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %d, %v, want %s", path, id, err, want)
		}
	}
	for _, path := range []string{"/a.service", "b/../a.service", dir + "/a.service"} {
		if id, err := cgroupID(path); id != first || err != nil {
			t.Errorf("%q: %d, %v", path, id, err)
		}
	}
	var c Cgroups
	if path, name := c.Path(first), c.Name(first); path != "/a.service" || name != "a.service" {
		t.Errorf("%q is called %q", path, name)
	}
	if !c.next.After(time.Now()) {
		t.Error("there is no pause until the next look")
	}
	second := start("b.service")
	c.next = time.Now().Add(time.Hour)
	if got := c.Path(second) + c.Name(second); got != "" {
		t.Errorf("%q is known before the next look", got)
	}
	c.next = time.Time{}
	if got := c.Name(second); got != "b.service" {
		t.Errorf("after the next look it is called %q", got)
	}
	c.next = time.Time{}
	if got := c.Name(1<<64-1) + c.Path(first); got != "/a.service" {
		t.Errorf("%q", got)
	}
}

// One that vanishes while they are looked at does not hide those behind it.
func TestCgroupVanishes(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c := Cgroups{root: dir, paths: map[uint64]string{}}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if filepath.Base(path) == "b" {
			err = os.ErrNotExist
		}
		return c.visit(path, d, err)
	})
	if err != nil || len(c.paths) != 3 { // the root of all, a and c
		t.Errorf("%v, %v", c.paths, err)
	}
}
