//go:build !linux

package sockdiag

import "os"

type socket struct{}

func openSocket(*os.File, []Group, int) (*socket, error) {
	return nil, &cause{kind: ErrNotSupported, text: "not supported: sock_diag exists on linux only"}
}

func (s *socket) send([]byte) error        { return ErrNotSupported }
func (s *socket) recv([]byte) (int, error) { return 0, ErrNotSupported }
func (s *socket) interrupt()               {}
func (s *socket) close() error             { return nil }
