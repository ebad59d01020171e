package pcapfile_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func init() { children["disk"] = fillDisk }

// fillDisk mounts a disk of 1 MB at args[0], in a namespace of its own, fills
// it, and copies the last file to args[1]. args[2] is the size of the files.
func fillDisk(args []string) error {
	if err := unix.Mount("tmpfs", args[0], "tmpfs", 0, "size=1m"); err != nil {
		return err
	}
	rotate, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return err
	}
	if err := fillUp(filepath.Join(args[0], "x"), rotate); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(args[0], "x*"))
	if err != nil {
		return err
	}
	for i, name := range files {
		from, err := os.Open(name)
		if err != nil {
			return err
		}
		to, err := os.Create(fmt.Sprint(args[1], i))
		if err != nil {
			return err
		}
		if _, err := io.Copy(to, from); err != nil {
			return err
		}
	}
	return nil
}

// On a full disk the file is cut behind the last whole block.
func TestDiskFull(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting a small disk needs CAP_SYS_ADMIN")
	}
	const disk = 1 << 20
	for _, rotate := range []int64{0, 300_000} {
		dir := t.TempDir()
		mount, copied := filepath.Join(dir, "mount"), filepath.Join(dir, "copy")
		must(t, os.Mkdir(mount, 0o700))
		cmd := child("disk", mount, copied, strconv.FormatInt(rotate, 10))
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
		out, err := cmd.Output()
		if errors.Is(err, syscall.EPERM) {
			t.Skip("mounting a small disk needs CAP_SYS_ADMIN")
		}
		if list := names(t, mount); len(list) != 0 {
			t.Fatalf("the disk was mounted for all: %q", list)
		}
		copies, err2 := filepath.Glob(copied + "*")
		if err2 != nil || len(copies) == 0 {
			t.Fatalf("%v: %s", err, out)
		}
		next, used := 0, int64(0)
		for _, path := range copies[:len(copies)-1] {
			first, end, cut := readNumbered(t, path)
			if cut || first != next {
				t.Errorf("%s has packets %d to %d, the one before ends at %d, cut: %v", path, first, end, next, cut)
			}
			next = end
		}
		last := copies[len(copies)-1]
		filledUp(t, out, err, last, "no space left on device", next)
		for _, path := range copies {
			st, err := os.Stat(path)
			must(t, err)
			used += st.Size()
		}
		if used < disk-20_000 || rotate > 0 != strings.HasSuffix(last, "3") {
			t.Errorf("%d bytes of the disk are used, for %d files", used, len(copies))
		}
	}
}
