// Package report writes what a benchmark found: Markdown that also reads well
// on a terminal, with the machine that it ran on.
package report

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Table is a Markdown table. Every row has as many cells as the header.
type Table struct {
	Header []string
	Rows   [][]string
}

// String returns the table with its columns aligned, the first to the left and
// the others to the right.
func (t Table) String() string {
	widths := make([]int, len(t.Header))
	for _, row := range append([][]string{t.Header}, t.Rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell), 4)
		}
	}
	var b strings.Builder
	write := func(row []string) {
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				fmt.Fprintf(&b, "| %s%s ", cell, pad)
			} else {
				fmt.Fprintf(&b, "| %s%s ", pad, cell)
			}
		}
		b.WriteString("|\n")
	}
	write(t.Header)
	for i, w := range widths {
		if i == 0 {
			fmt.Fprintf(&b, "| %s ", strings.Repeat("-", w))
		} else {
			fmt.Fprintf(&b, "| %s: ", strings.Repeat("-", w-1))
		}
	}
	b.WriteString("|\n")
	for _, row := range t.Rows {
		write(row)
	}
	return b.String()
}
