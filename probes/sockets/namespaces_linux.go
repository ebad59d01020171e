package sockets

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"framescope/capture/netns"
)

// namespaceDirs are where namespaces are kept under names.
var namespaceDirs = []string{netns.Dir, "/run/docker/netns"}

// Namespaces returns the network namespaces of the system, that of the caller
// first: those that have a name or are mounted, and those that a process is in.
// What only an open file keeps alive is not found; without /proc the first one has
// no path, and of the others only those that have a name are found. hidden is how many processes
// could not be asked.
func Namespaces() (all []Namespace, hidden int) {
	seen := map[uint64]int{}
	add := func(name, path string) bool {
		st, err := os.Stat(path)
		if err != nil {
			if errors.Is(err, fs.ErrPermission) {
				hidden++
			}
			return false
		}
		id, ok := inodeOf(st)
		if !ok {
			return false
		}
		if _, ok := seen[id]; ok {
			return false
		}
		if sys, ok := st.Sys().(*syscall.Stat_t); !ok || sys.Mode&syscall.S_IFMT != syscall.S_IFREG {
			return false
		}
		seen[id] = len(all)
		all = append(all, Namespace{name, path, id})
		return true
	}
	if !add("here", "/proc/self/ns/net") {
		all = append(all, Namespace{Name: "here"})
	}
	for _, dir := range namespaceDirs {
		names, _ := os.ReadDir(dir)
		for _, n := range names {
			add(n.Name(), filepath.Join(dir, n.Name()))
		}
	}
	for _, path := range mounted() {
		add(filepath.Base(path), path)
	}
	d, err := os.Open("/proc")
	if err != nil {
		return all, hidden
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	pids := make([]int, 0, len(names))
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	for _, pid := range pids {
		p := strconv.Itoa(pid)
		if add(p, "/proc/"+p+"/ns/net") {
			n := &all[len(all)-1]
			if c := processContainer(p); c != "" {
				n.Name = c
			} else {
				n.Name = strings.TrimSpace(processName(int32(pid))) + "/" + p
			}
		}
	}
	return all, hidden
}

// mounted returns where namespaces are mounted, in whatever folder.
func mounted() (paths []string) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(b)) {
		// id, parent, device, root, mount point: see proc(5)
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[3], "net:[") {
			paths = append(paths, strings.ReplaceAll(f[4], `\040`, " "))
		}
	}
	return paths
}

// processContainer returns the container that a process is in, or "".
func processContainer(pid string) string {
	b, err := os.ReadFile("/proc/" + pid + "/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		name := Container(strings.TrimSpace(line))
		if strings.HasPrefix(name, "docker:") {
			if known := dockerName(line); known != "" {
				return "docker:" + known
			}
		}
		if strings.Contains(name, ":") {
			return name
		}
	}
	return ""
}
