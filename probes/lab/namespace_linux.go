package lab

import (
	"os"
	"path"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// A held namespace is kept by an open file and by a thread that is in it. Both
// vanish with the process.
type held struct {
	file *os.File
	tid  int // as /proc counts
	end  chan struct{}
	done chan struct{}
}

// hold makes a network namespace.
func hold() (*held, error) {
	h := &held{end: make(chan struct{}), done: make(chan struct{})}
	up := make(chan error, 1)
	go h.keep(up)
	if err := <-up; err != nil {
		return nil, err
	}
	return h, nil
}

// keep is the thread that stays in the namespace.
func (h *held) keep(up chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The main thread stands for the process in /proc: leave it alone. It
		// is kept from being taken again until the other one runs.
		running := make(chan error)
		go h.keep(running)
		err := <-running
		runtime.UnlockOSThread()
		up <- err
		return
	}
	defer close(h.done)
	back, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		up <- err
		return
	}
	defer back.Close()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		up <- err
		return
	}
	// In a namespace of processes, numbers differ from those in /proc.
	self, err := os.Readlink("/proc/thread-self")
	if err == nil {
		h.tid, err = strconv.Atoi(path.Base(self))
	}
	if err == nil {
		h.file, err = os.Open("/proc/thread-self/ns/net")
	}
	up <- err
	if err == nil {
		<-h.end
	}
	// A thread that cannot go back ends with its goroutine.
	if unix.Setns(int(back.Fd()), unix.CLONE_NEWNET) == nil {
		runtime.UnlockOSThread()
	}
}

// close lets the namespace go.
func (h *held) close() {
	close(h.end)
	<-h.done
	h.file.Close()
}
