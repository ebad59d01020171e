// Package output prints records: as tables for a person, as JSON, JSON Lines and
// CSV for programs.
//
// An Encoder turns records into bytes, one for each goroutine; a Printer puts
// the bytes of all Encoders in their order and writes them out.
package output

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"framescope/decode/record"
)

// Options say how records are printed. The zero value is ready.
type Options struct {
	// Types are the types of records that were asked for; they make the
	// columns of CSV and decide what a table lists. Zero means those of
	// DefaultTypes.
	Types record.Set
	// Payload is how many characters of a text payload, or bytes of another
	// one, JSON and CSV show. Zero means all that the record holds; negative
	// none. Tables fill the line.
	Payload int

	// Width is how many columns a table has; zero means 80, and fewer than 60
	// are taken for 60. -o wide takes at least 140.
	Width int
	// Color allows tables to use colours.
	Color bool
	// Live makes tables print what is new of every connection at each Flush,
	// before it is known how the connection ends.
	Live bool
	// Files is set when the run reads several files: tables say then which
	// connection is from which.
	Files bool
	// Match says which records a filter selects; nil means all. Tables are given
	// the records of Context that it does not select, too: they give what is
	// selected its heading and its end, but are not shown for themselves.
	Match func(record.Record) bool
	// MaxHeld bounds the text that tables hold back, in bytes; zero means 16
	// MiB. Beyond it connections are printed in parts.
	MaxHeld int
}

// Formats are the names of the formats.
var Formats = []string{"table", "wide", "json", "jsonl", "csv"}

// tableTypes are what a table is made of.
var tableTypes = record.Of(record.TypeConn, record.TypeHTTP, record.TypeHandshake, record.TypeFrame, record.TypeClose,
	record.TypeDeclared, record.TypeFinding, record.TypeSummary)

// DefaultTypes returns the types of records that a format prints unless others
// are asked for: all but single packets, and for tables no messages, since
// their frames are listed.
func DefaultTypes(format string) record.Set {
	if format == Hexdump {
		return hexdumpTypes
	}
	if format == "table" || format == "wide" {
		return tableTypes
	}
	return record.Captured &^ record.Of(record.TypePacket)
}

// sessionTypes are what a table lists below the heading of a connection.
var sessionTypes = record.Of(record.TypeHandshake, record.TypeFrame, record.TypeMessage, record.TypeClose, record.TypeDeclared)

// Context are the types that a table wants of every connection, whatever the
// filter says: see Options.Match.
var Context = record.Of(record.TypeConn, record.TypeHandshake, record.TypeClose, record.TypeSummary)

// NeededTypes returns the types that a Printer of the format has to be given for
// the types that a person asked for: a table wants to know how a session began
// and ended even if only its frames or findings are listed.
func NeededTypes(format string, asked record.Set) record.Set {
	if format != "table" && format != "wide" {
		return asked
	}
	if asked&(sessionTypes|record.Of(record.TypeFinding, record.TypeHTTP)) != 0 {
		asked |= record.Of(record.TypeConn, record.TypeHandshake, record.TypeClose)
	}
	return asked | record.Of(record.TypeSummary)
}

// An Encoder turns records into the bytes that its Printer understands. It is
// used by one goroutine.
type Encoder interface {
	// Encode appends r to dst and returns the result. It keeps neither.
	Encode(dst []byte, r record.Record) []byte
}

// An Item is a record as an Encoder wrote it.
type Item struct {
	// Conn is the number of the record's connection, 0 for none.
	Conn int64
	Type record.Type
	// Data is what Encode appended. It is valid until Write returns.
	Data []byte
}

// A Printer writes items in the order in which they come. It is used by one
// goroutine. Its errors are those of the Writer below it; after one, every call
// returns it again.
type Printer struct {
	format  string
	o       Options
	w       sink
	columns []column // of CSV
	table   *table
	n       int64 // items written
}

// New returns a Printer of one of the Formats that writes to w.
func New(w io.Writer, format string, o Options) (*Printer, error) {
	if !slices.Contains(Formats, format) && format != Hexdump {
		return nil, fmt.Errorf("output: format %q: expected %s", format, strings.Join(Formats, ", "))
	}
	p := &Printer{format: format, o: o, w: newSink(w)}
	if p.o.Types == 0 {
		p.o.Types = DefaultTypes(format)
	}
	switch format {
	case "csv":
		p.columns = columnsOf(p.o.Types)
	case "table", "wide":
		if p.o.Width <= 0 {
			p.o.Width = 80
		}
		p.o.Width = max(p.o.Width, 60)
		if format == "wide" {
			p.o.Width = max(p.o.Width, 140)
		}
		if p.o.MaxHeld <= 0 {
			p.o.MaxHeld = 16 << 20
		}
		p.table = newTable(p.w, &p.o, format == "wide", o.Types != 0 && o.Types != tableTypes)
	}
	return p, nil
}

// Encoder returns a new Encoder for the Printer. It may be called from any
// goroutine.
func (p *Printer) Encoder() Encoder {
	switch p.format {
	case "csv":
		return newCSV(p.columns, p.o.Payload)
	case "table", "wide":
		return newRows(&p.o, p.format == "wide")
	}
	if p.format == Hexdump {
		return newDumper(&p.o)
	}
	return &jsonEncoder{o: record.Options{Payload: p.o.Payload}, lines: p.format == "jsonl"}
}

// Write prints an item.
func (p *Printer) Write(it Item) error {
	p.n++
	switch p.format {
	case "json":
		if p.n == 1 {
			p.w.text("[\n")
		} else {
			p.w.text(",\n")
		}
	case "csv":
		if p.n == 1 {
			p.w.bytes(header(p.columns))
		}
	case "table", "wide":
		p.table.write(it)
		return p.w.err()
	}
	p.w.bytes(it.Data)
	return p.w.err()
}

// Flush hands on what is in the buffer, so that somebody who watches sees it.
func (p *Printer) Flush() error {
	if p.table != nil {
		p.table.flush()
	}
	return p.w.flush()
}

// Close prints what was held back and what comes at the end. It does not close
// the Writer below.
func (p *Printer) Close() error {
	switch p.format {
	case "json":
		if p.n == 0 {
			p.w.text("[")
		}
		p.w.text("\n]\n")
	case "csv":
		if p.n == 0 {
			p.w.bytes(header(p.columns))
		}
	case "table", "wide":
		p.table.close()
	}
	return p.w.flush()
}

// A jsonEncoder writes JSON objects, with a line break behind each for JSON
// Lines.
type jsonEncoder struct {
	o     record.Options
	lines bool
}

func (e *jsonEncoder) Encode(dst []byte, r record.Record) []byte {
	dst = record.AppendJSON(dst, r, &e.o)
	if e.lines {
		dst = append(dst, '\n')
	}
	return dst
}
