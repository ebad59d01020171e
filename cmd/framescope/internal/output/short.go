package output

import (
	"bytes"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/tw"
)

const (
	columnGap = "  "
	// maxCell is how wide a column of a short table can be, but for the one that
	// gives way.
	maxCell = 24
)

// Short returns a table of up to a thousand rows, without lines around it. The
// column flex takes what the others leave of a line of the given columns, and
// is cut where it does not fit. Cells are made safe for a terminal.
func Short(heads []string, rows [][]string, flex, columns int) []byte {
	if columns <= 0 {
		columns = 80
	}
	for _, r := range rows {
		for i := range r {
			if r[i] = safe(r[i]); i != flex {
				r[i] = cutTo(r[i], maxCell)
			}
		}
	}
	return drawn(heads, rows, flex, flexRoom(heads, rows, flex, columns), cutTo)
}

// flexRoom is how wide the column flex can be where a line has so many columns.
func flexRoom(heads []string, rows [][]string, flex, columns int) int {
	for i, head := range heads {
		columns -= len(columnGap)
		if i == flex {
			continue
		}
		widest := width(head)
		for _, r := range rows {
			widest = max(widest, width(r[i]))
		}
		columns -= widest
	}
	return max(columns, 8)
}

// drawn draws the table. Its cells are safe; those of the column flex are cut to
// room.
func drawn(heads []string, rows [][]string, flex, room int, cut func(string, int) string) []byte {
	var out, lines bytes.Buffer
	tbl := tablewriter.NewTable(&out,
		tablewriter.WithRendition(tw.Rendition{
			Borders:  tw.BorderNone,
			Settings: tw.Settings{Separators: tw.SeparatorsNone, Lines: tw.LinesNone},
		}),
		tablewriter.WithPadding(tw.Padding{Right: columnGap, Overwrite: true}),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAlignment(tw.AlignLeft),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
	)
	tbl.Header(heads)
	for _, r := range rows {
		r[flex] = cut(r[flex], room)
		if tbl.Append(r) != nil {
			break // out holds a buffer, which does not fail
		}
	}
	if tbl.Render() != nil {
		return nil
	}
	for l := range bytes.Lines(out.Bytes()) {
		lines.Write(append(bytes.TrimRight(l, " \n"), '\n'))
	}
	return lines.Bytes()
}
