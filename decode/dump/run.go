package dump

import "strconv"

// A run is a long field whose bytes come in pieces.
type run struct {
	depth   int
	name    string
	off     int64 // of the next byte
	n       int64 // bytes so far
	rows    int   // that were written
	skipped int64 // bytes left out behind them
	row     []byte
	plain   []byte // what row says, where the bytes are masked
	last    []byte // the last whole row that was left out
	lastP   []byte
}

// Begin begins a field whose bytes come in pieces: Data, Lost, then End.
func (a *Annotator) Begin(off int64, depth int, name string) {
	r := &a.run
	r.depth, r.name, r.off = depth, name, off
	r.n, r.rows, r.skipped = 0, 0, 0
	r.row, r.plain, r.last, r.lastP = r.row[:0], r.plain[:0], r.last[:0], r.lastP[:0]
}

// Data adds bytes to the field. plain is what they say, as long as they are, or
// nil where that is the bytes themselves.
func (a *Annotator) Data(b, plain []byte) {
	r, cols := &a.run, a.columns()
	if plain == nil {
		plain = b
	}
	for len(b) > 0 {
		if limit := a.limit(); limit > 0 && r.rows >= limit && len(r.row) == 0 && len(b) > 2*cols {
			// Only the last row of what is left out will be shown.
			n := (len(b) - 1) / cols * cols
			r.skipped += int64(len(r.last) + n - cols)
			r.last = append(r.last[:0], b[n-cols:n]...)
			r.lastP = append(r.lastP[:0], plain[n-cols:n]...)
			r.n += int64(n)
			b, plain = b[n:], plain[n:]
			continue
		}
		n := min(cols-len(r.row), len(b))
		r.row = append(r.row, b[:n]...)
		r.plain = append(r.plain, plain[:n]...)
		r.n += int64(n)
		b, plain = b[n:], plain[n:]
		if len(r.row) == cols {
			a.full()
		}
	}
}

// full deals with a whole row of the run.
func (a *Annotator) full() {
	r := &a.run
	if limit := a.limit(); limit > 0 && r.rows >= limit {
		r.skipped += int64(len(r.last))
		r.last, r.row = r.row, r.last[:0]
		r.lastP, r.plain = r.plain, r.lastP[:0]
		return
	}
	a.runRow(r.off+r.n-int64(len(r.row)), r.row, r.plain)
	r.row, r.plain = r.row[:0], r.plain[:0]
}

// runRow writes one row of a run.
func (a *Annotator) runRow(off int64, row, plain []byte) {
	r := &a.run
	a.head(off, row, "", palette[a.colour%len(palette)])
	name := ""
	if r.rows == 0 {
		name = Safe(r.name)
	}
	a.out = spaces(a.out, 2*r.depth)
	a.paint(palette[a.colour%len(palette)], name)
	a.out = spaces(a.out, max(a.nameWidth()-2*r.depth-width(name), 2))
	a.out = append(a.out, '|')
	a.out = append(appendText(a.out, plain), '|')
	a.end()
	r.rows++
}

// Lost says that n bytes of the field are missing.
func (a *Annotator) Lost(n int64) {
	a.rest()
	a.out = spaces(a.out, 10)
	a.paint(alarm, "... "+strconv.FormatInt(n, 10)+" bytes are missing")
	a.end()
	a.run.off += a.run.n + n
	a.run.n = 0
}

// rest writes the rows that wait.
func (a *Annotator) rest() {
	r := &a.run
	end := r.off + r.n
	if len(r.last) > 0 {
		at := end - int64(len(r.row)) - int64(len(r.last))
		if len(r.row) > 0 && r.skipped > 0 {
			r.skipped += int64(len(r.last))
			a.leftOut(r.skipped)
		} else {
			a.leftOut(r.skipped)
			a.runRow(at, r.last, r.lastP)
		}
		r.skipped, r.last, r.lastP = 0, r.last[:0], r.lastP[:0]
	}
	if len(r.row) > 0 {
		a.runRow(end-int64(len(r.row)), r.row, r.plain)
		r.row, r.plain = r.row[:0], r.plain[:0]
	}
}

// End ends the field. note, when it is not empty, is written below it.
func (a *Annotator) End(note string) {
	a.rest()
	if note != "" {
		a.Note(a.run.depth, note)
	}
	a.colour++
}
