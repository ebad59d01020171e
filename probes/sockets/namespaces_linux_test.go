package sockets

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"framescope/capture/capability"
)

// A child of TestWithoutProc says what is known.
func init() {
	if os.Getenv("SOCKETS_WITHOUT_PROC") == "" {
		return
	}
	if err := unix.Chroot(os.Getenv("SOCKETS_WITHOUT_PROC")); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	all, _ := Namespaces()
	fmt.Printf("%+v %v", all, FindOwners(&Wanted{All: true}).NoProc)
	os.Exit(0)
}

// Without /proc the namespace of the caller is known.
func TestWithoutProc(t *testing.T) {
	if !capability.Effective(capability.SysAdmin) {
		t.Skip("a root directory needs CAP_SYS_CHROOT")
	}
	child := exec.Command("/proc/self/exe")
	child.Env = append(os.Environ(), "SOCKETS_WITHOUT_PROC="+t.TempDir())
	out, err := child.Output()
	if want := "[{Name:here Path: ID:0}] true"; err != nil || string(out) != want {
		t.Errorf("%s, want %s: %v", out, want, err)
	}
}
