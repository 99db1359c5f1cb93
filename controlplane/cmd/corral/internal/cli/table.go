package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
)

// table prints rows in columns that are as wide as their widest cell.
type table struct {
	w *tabwriter.Writer
}

// newTable returns a table with a line of headings, unless there are none.
func newTable(w io.Writer, headings ...string) *table {
	t := &table{w: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	if len(headings) > 0 {
		t.row(headings...)
	}
	return t
}

// row adds a row. An empty cell is something that is not known.
func (t *table) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = printable(cell)
		if cell == "" {
			cells[i] = unknown
		}
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

// more adds lines to the last row's second cell.
func (t *table) more(lines ...string) {
	for _, line := range lines {
		fmt.Fprintln(t.w, "\t"+printable(line))
	}
}

// flush prints the table.
func (t *table) flush() error { return t.w.Flush() }

// printable replaces what would steer a terminal instead of showing there. Names
// and messages come from hosts, and a host may be anybody's.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}
