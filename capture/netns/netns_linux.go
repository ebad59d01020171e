package netns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Open opens a network namespace: a name as ip-netns(8) knows it, the id of a
// process that is in it, or the path of a file that stands for it, such as
// /proc/4711/ns/net. A name that is a number is taken for a process id unless a
// namespace of that name exists.
func Open(name string) (*os.File, error) {
	// A FIFO is no namespace, and opening one would wait.
	f, err := os.OpenFile(path(name), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = fmt.Errorf("%s: %w", pe.Path, pe.Err)
		}
		return nil, &Error{"open", name, err}
	}
	// setns(2) says no more than "invalid argument" of another kind of file.
	kind, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_NSTYPE)
	if err == nil && kind != unix.CLONE_NEWNET {
		err = errors.New("it is a namespace of another kind")
	} else if err != nil {
		err = fmt.Errorf("%s: it is not a namespace", f.Name())
	}
	if err != nil {
		f.Close()
		return nil, &Error{"open", name, err}
	}
	return f, nil
}

func path(name string) string {
	if strings.ContainsRune(name, '/') {
		return name
	}
	named := filepath.Join(Dir, name)
	if _, err := strconv.ParseUint(name, 10, 31); err == nil {
		if _, err := os.Lstat(named); err != nil {
			return "/proc/" + name + "/ns/net"
		}
	}
	return named
}

// Do runs f in the namespace ns, on a thread of its own, and returns its error.
// What f opens stays in ns; goroutines that it starts do not. With a nil ns, f
// runs where the caller is. If f ends its goroutine (runtime.Goexit), Do ends
// the caller's.
func Do(ns *os.File, f func() error) error {
	if ns == nil {
		return f()
	}
	var err error
	returned := false
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = enter(ns, f)
		returned = true
	}()
	<-done
	if !returned {
		runtime.Goexit()
	}
	return err
}

// enter runs f in ns on the calling thread and goes back.
func enter(ns *os.File, f func() error) error {
	runtime.LockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err == nil {
		defer here.Close()
		err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
	}
	if err != nil {
		runtime.UnlockOSThread()
		return &Error{"enter", ns.Name(), err}
	}
	defer func() {
		// A thread that cannot go back ends with its goroutine.
		if unix.Setns(int(here.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
	}()
	return f()
}
