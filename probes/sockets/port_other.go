//go:build !linux

package sockets

func (l *Lister) tryBind(Kind, *Bind) (bool, error) { return false, ErrNotSupported }
func isPermission(error) bool                       { return false }
func isNotLocal(error) bool                         { return false }
func reusePort(*Row) (on, ok bool)                  { return false, false }
