package output

import (
	"bytes"
	"strconv"
	"strings"

	"framescope/decode/record"
)

// A column of CSV is a field of the registry.
type column struct {
	name   string
	fields record.ByType
}

// columnsOf returns a column for every field of the types, in the order of the
// registry.
func columnsOf(types record.Set) (columns []column) {
	for _, name := range record.Names(types) {
		fields, _ := record.Lookup(name)
		if fields.Any().FilterOnly {
			continue
		}
		for t := range fields {
			if !types.Has(record.Type(t)) {
				fields[t] = nil
			}
		}
		columns = append(columns, column{name, fields})
	}
	return columns
}

func header(columns []column) []byte {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	return []byte(strings.Join(names, ",") + "\r\n")
}

// A csvEncoder writes rows of RFC 4180. Lists stand in one cell with "; "
// between their values, headers as "Name: value".
type csvEncoder struct {
	rows    [record.Types]csvRow
	payload int
	cell    []byte
}

// A csvRow is what a row of one type of record is made of: most columns belong
// to other types.
type csvRow struct {
	cells []csvCell
	after int // commas behind the last of them
}

type csvCell struct {
	commas int // before it
	field  *record.Field
}

func newCSV(columns []column, payload int) *csvEncoder {
	e := &csvEncoder{payload: payload}
	for t := range e.rows {
		row := &e.rows[t]
		for i := range columns {
			if i > 0 {
				row.after++
			}
			if f := columns[i].fields[t]; f != nil {
				row.cells = append(row.cells, csvCell{row.after, f})
				row.after = 0
			}
		}
	}
	return e
}

func (e *csvEncoder) Encode(dst []byte, r record.Record) []byte {
	row := &e.rows[r.Type()]
	for i := range row.cells {
		c := &row.cells[i]
		dst = commas(dst, c.commas)
		e.cell = e.value(e.cell[:0], c.field, r)
		dst = appendCell(dst, e.cell, isText(c.field.Kind))
	}
	return append(commas(dst, row.after), '\r', '\n')
}

func commas(dst []byte, n int) []byte {
	for ; n > 0; n-- {
		dst = append(dst, ',')
	}
	return dst
}

func isText(k record.Kind) bool {
	return k == record.KindString || k == record.KindPairs || k == record.KindPayload
}

// value appends the values of a field as they are without quotes.
func (e *csvEncoder) value(dst []byte, f *record.Field, r record.Record) []byte {
	for i := range f.Len(r) {
		before := len(dst)
		if before > 0 {
			if f.Kind == record.KindPairs && i%2 == 1 {
				dst = append(dst, ": "...)
			} else {
				dst = append(dst, "; "...)
			}
		}
		var ok bool
		if dst, ok = e.one(dst, f, r, i); !ok {
			dst = dst[:before]
		}
	}
	return dst
}

func (e *csvEncoder) one(dst []byte, f *record.Field, r record.Record, i int) ([]byte, bool) {
	switch f.Kind {
	case record.KindString, record.KindPairs:
		s, ok := f.Str(r, i)
		dst, _ = fit(dst, s, 1<<30, false)
		return dst, ok
	case record.KindIP:
		a, ok := f.IP(r)
		return a.AppendTo(dst), ok
	case record.KindHex:
		b, ok := f.Bytes(r)
		return appendHex(dst, b), ok
	case record.KindPayload:
		b, ok := f.Bytes(r)
		if !ok || e.payload < 0 {
			return dst, false
		}
		text, _ := f.Int(r, 0)
		cut := b
		if e.payload > 0 {
			cut = record.Cut(b, e.payload, text == 1)
		}
		if text == 1 {
			dst, _ = fit(dst, cut, 1<<30, false)
		} else {
			dst = appendHex(append(dst, "0x"...), cut)
		}
		if len(cut) < len(b) {
			dst = append(dst, "..."...)
		}
		return dst, true
	}
	n, ok := f.Int(r, i)
	switch f.Kind {
	case record.KindBool:
		dst = strconv.AppendBool(dst, n != 0)
	case record.KindDuration:
		dst = record.AppendMillis(dst, n)
	case record.KindTime:
		dst = record.AppendTime(dst, n)
	case record.KindConn:
		dst = record.AppendID(dst, n)
	default:
		dst = strconv.AppendInt(dst, n, 10)
	}
	return dst, ok
}

func appendHex(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}

// appendCell appends a cell, in quotes where RFC 4180 wants them. A text that a
// spreadsheet would take for a formula gets an apostrophe in front, as
// spreadsheets themselves write it.
func appendCell(dst, cell []byte, text bool) []byte {
	if !text || len(cell) == 0 {
		return append(dst, cell...) // numbers, times, addresses
	}
	formula := strings.IndexByte("=+-@", cell[0]) >= 0
	if !formula && !bytes.ContainsAny(cell, ",\"") {
		return append(dst, cell...)
	}
	dst = append(dst, '"')
	if formula {
		dst = append(dst, '\'')
	}
	for _, c := range cell {
		if c == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}
