package report

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Document is what one run of a benchmark found.
type Document struct {
	Title   string
	Method  string // a few sentences on how it was measured
	Figures Table
	More    []Table // what one table can't hold
	Targets []Target
	Notes   []string // what a reader should know beside the figures
}

// Markdown returns the document as it is kept, dated at the given time.
func (d Document) Markdown(at time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s; %s.\n\n%s\n\n", d.Title, at.UTC().Format(time.DateOnly), Machine(), d.Method)
	for _, t := range append([]Table{d.Figures}, d.More...) {
		fmt.Fprintf(&b, "%s\n", t)
	}
	b.WriteString(Targets(d.Targets).String())
	for i, note := range d.Notes {
		if i == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "- %s\n", note)
	}
	return b.String()
}

// Output is where a document goes, and whether it says how the program ends.
type Output struct {
	Path    string // of a file, beside the output of the program; empty is none
	Enforce bool   // a target that was not met is an error
}

// Flags adds the flags that set it.
func (o *Output) Flags(flags *flag.FlagSet) {
	flags.StringVar(&o.Path, "out", "", "`file` to write the report to, as Markdown")
	flags.BoolVar(&o.Enforce, "enforce", false, "fail when a target is not met")
}

// Publish writes the document to w and to where the output says.
func (d Document) Publish(w io.Writer, o Output) error {
	text := d.Markdown(time.Now())
	_, err := io.WriteString(w, text)
	if o.Path != "" {
		err = errors.Join(err, os.WriteFile(o.Path, []byte(text), 0o644))
	}
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if o.Enforce {
		return Check(d.Targets)
	}
	return nil
}
