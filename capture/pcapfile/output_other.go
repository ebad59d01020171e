//go:build !unix

package pcapfile

import "os"

func openStdout() (output, error) { return newOutput(os.Stdout, stdout) }
