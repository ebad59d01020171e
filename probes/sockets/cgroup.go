package sockets

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// cgroupID returns the id of a cgroup: the inode number of its folder.
func cgroupID(path string) (uint64, error) {
	root := cgroupRoot()
	if root == "" {
		return 0, fmt.Errorf("no file system of cgroup version 2 is mounted")
	}
	full := filepath.Clean(path)
	below := func() bool { return full == root || strings.HasPrefix(full, root+"/") }
	if !below() {
		full = filepath.Join(root, path)
	}
	if !below() {
		return 0, fmt.Errorf("%q is outside of %s", path, root)
	}
	st, err := os.Stat(full)
	if err != nil || !st.IsDir() {
		return 0, fmt.Errorf("there is no cgroup %q", path)
	}
	ino, ok := inodeOf(st)
	if !ok {
		return 0, ErrNotSupported
	}
	return ino, nil
}

// Cgroups knows the cgroups of the system by their ids. The zero value is ready.
// It looks at them once, and again for an id that it does not know, with a pause
// in between.
type Cgroups struct {
	root  string
	paths map[uint64]string
	names map[uint64]string
	next  time.Time // when they may be looked at again
}

// maxCgroups bounds how many are looked at.
const maxCgroups = 1 << 16

// A look at the cgroups comes a second after the one before, or later: looks take
// no more than a twentieth of the time.
const (
	cgroupPause = time.Second
	cgroupShare = 20
)

func (c *Cgroups) load() {
	begin := time.Now()
	c.paths, c.names = map[uint64]string{}, map[uint64]string{}
	if c.root = cgroupRoot(); c.root != "" {
		_ = filepath.WalkDir(c.root, c.visit)
	}
	end := time.Now()
	c.next = end.Add(max(cgroupPause, cgroupShare*end.Sub(begin)))
}

func (c *Cgroups) visit(path string, d fs.DirEntry, err error) error {
	switch {
	case err != nil:
		return fs.SkipDir // it is gone, or may not be read
	case len(c.paths) >= maxCgroups:
		return fs.SkipAll
	case !d.IsDir():
		return nil
	}
	if st, err := d.Info(); err == nil {
		if ino, ok := inodeOf(st); ok {
			rel := strings.TrimPrefix(path, c.root)
			c.paths[ino] = "/" + strings.TrimPrefix(rel, "/")
		}
	}
	return nil
}

// Path returns the path of a cgroup below the root of all, or "".
func (c *Cgroups) Path(id uint64) string {
	p, ok := c.paths[id]
	if !ok && !time.Now().Before(c.next) {
		c.load()
		p = c.paths[id]
	}
	return p
}

// Name returns who a cgroup belongs to: a container ("docker:web",
// "podman:0123456789ab"), a systemd unit ("nginx.service"), or "".
func (c *Cgroups) Name(id uint64) string {
	if n, ok := c.names[id]; ok {
		return n
	}
	path := c.Path(id)
	if path == "" {
		return ""
	}
	n := Container(path)
	if hex, ok := strings.CutPrefix(n, "docker:"); ok {
		if name := dockerName(path); name != "" {
			n = "docker:" + name
		} else {
			n = "docker:" + hex
		}
	}
	c.names[id] = n
	return n
}

var (
	containerID = regexp.MustCompile(`[0-9a-f]{64}`)
	engines     = []struct{ in, name string }{
		{"libpod", "podman"}, {"crio", "cri-o"}, {"cri-containerd", "containerd"}, {"containerd", "containerd"}, {"docker", "docker"}, {"kubepods", "kube"},
	}
)

// Container returns the container or the systemd unit of a cgroup's path, or "".
// A container is the engine's name and the first 12 digits of its id.
func Container(path string) string {
	if ids := containerID.FindAllString(path, -1); len(ids) > 0 {
		id := ids[len(ids)-1]
		for _, e := range engines {
			if strings.Contains(path, e.in) {
				return e.name + ":" + id[:12]
			}
		}
		return "container:" + id[:12]
	}
	parts := strings.Split(path, "/")
	for i := len(parts) - 1; i >= 0; i-- {
		part := parts[i]
		switch {
		case i > 0 && (parts[i-1] == "lxc" || parts[i-1] == "lxc.payload"):
			return "lxc:" + part
		case strings.HasPrefix(part, "lxc.payload."):
			return "lxc:" + strings.TrimPrefix(part, "lxc.payload.")
		case strings.HasPrefix(part, "machine-") && strings.HasSuffix(part, ".scope"):
			return "machine:" + strings.TrimSuffix(strings.TrimPrefix(part, "machine-"), ".scope")
		case strings.HasSuffix(part, ".service"), strings.HasSuffix(part, ".scope"):
			return part
		}
	}
	return ""
}

// dockerName returns the name that people gave a container of docker, which root
// can read.
func dockerName(path string) string {
	ids := containerID.FindAllString(path, -1)
	if len(ids) == 0 {
		return ""
	}
	b, err := os.ReadFile("/var/lib/docker/containers/" + ids[len(ids)-1] + "/config.v2.json")
	if err != nil {
		return ""
	}
	_, rest, ok := bytes.Cut(b, []byte(`"Name":"/`))
	name, _, end := bytes.Cut(rest, []byte(`"`))
	if !ok || !end || len(name) > 128 {
		return ""
	}
	return string(name)
}

// cgroupMounts are where cgroups of version 2 are found.
var cgroupMounts = []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}

// cgroupRoot returns the folder of the cgroups of version 2, or "".
func cgroupRoot() string {
	for _, m := range cgroupMounts {
		if _, err := os.Stat(filepath.Join(m, "cgroup.controllers")); err == nil {
			return m
		}
	}
	return ""
}
