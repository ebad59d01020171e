package pcapfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

const stdout = "standard output"

// An output is a file that is written to, or was.
type output struct {
	f       *os.File
	name    string
	info    fs.FileInfo
	regular bool
}

// openFile opens a file for writing. The flag says what is to become of one
// that is there already.
func openFile(path string, flag int, perm fs.FileMode) (output, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|flag, perm)
	if err != nil {
		return output{name: path}, &WriteError{File: path, Op: "create", Err: bare(err)}
	}
	return newOutput(f, path)
}

func newOutput(f *os.File, name string) (output, error) {
	o := output{f: f, name: name}
	var err error
	if o.info, err = f.Stat(); err != nil {
		_ = f.Close()
		o.f = nil
		return o, &WriteError{File: name, Op: "create", Err: bare(err)}
	}
	o.regular = o.info.Mode().IsRegular()
	return o, nil
}

// cut removes the last n bytes that were written.
func (o *output) cut(n int64) error {
	if !o.regular || n == 0 {
		return nil
	}
	end, err := o.f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	return o.f.Truncate(end - n)
}

func (o *output) close() error {
	if o.f == nil || o.f == os.Stdout {
		return nil
	}
	return o.f.Close()
}

// remove deletes the file, unless it was moved away or replaced.
func (o *output) remove() error {
	now, err := os.Lstat(o.name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(now, o.info) {
		return nil
	}
	if err == nil {
		err = os.Remove(o.name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return err
}
