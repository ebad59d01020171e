package main

import (
	"errors"

	"framescope/capture/pcapfilter"
	"framescope/cmd/framescope/internal/output"
	"framescope/decode/filter"
	"framescope/probes/sockets"
)

// A markedError is an error of an expression, with the expression and a mark
// below the place.
type markedError struct {
	error
	text string
}

func (e markedError) Error() string { return e.text }
func (e markedError) Unwrap() error { return e.error }

// marked says that an error is one of what, such as a flag, and shows the place
// where it knows one. It returns nil for nil.
func marked(what string, err error) error {
	if err == nil {
		return nil
	}
	text, hint := what+": ", ""
	var record *filter.Error
	var packet *pcapfilter.Error
	var socket *sockets.SyntaxError
	switch {
	case errors.As(err, &record):
		text, hint = text+record.Msg+"\n"+output.Mark(record.Expr, record.Off, record.Len), record.Hint
	case errors.As(err, &packet):
		text, hint = text+packet.Msg+"\n"+output.Mark(packet.Expr, packet.Off, packet.Len), packet.Hint
	case errors.As(err, &socket):
		text += socket.Msg + "\n" + output.Mark(socket.Expr, socket.Off, 1)
	default:
		text += err.Error()
	}
	if hint != "" {
		text += "\n  " + hint
	}
	return markedError{err, text}
}
