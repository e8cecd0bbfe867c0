package command

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"keymaker/internal/admin"
)

// text is an answer for a person at a terminal. Every cell is made harmless.
type text struct{ strings.Builder }

// lines writes rows in columns, each behind the indent.
func (t *text) lines(indent string, rows ...[]string) {
	w := tabwriter.NewWriter(t, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = admin.Printable(cell)
		}
		_, _ = fmt.Fprintln(w, indent+strings.Join(cells, "\t")) // a strings.Builder takes everything
	}
	_ = w.Flush()
}

// fields writes names and their values.
func (t *text) fields(fields [][2]string) {
	rows := make([][]string, 0, len(fields))
	for _, f := range fields {
		rows = append(rows, f[:])
	}
	t.lines("", rows...)
}

// table writes rows under their heads.
func (t *text) table(rows [][]string, head ...string) {
	t.lines("", append([][]string{head}, rows...)...)
}

// section writes how many rows there are, and those under their heads.
func (t *text) section(title string, rows [][]string, head ...string) {
	_, _ = fmt.Fprintf(t, "\n%s: %d\n", title, len(rows))
	if len(rows) > 0 {
		t.lines("  ", append([][]string{head}, rows...)...)
	}
}
