package report

import "fmt"

// Outcome says whether a target was met. The zero value is that nobody knows.
type Outcome uint8

// The outcomes.
const (
	NotMeasured Outcome = iota
	Met
	Missed
)

// String returns the outcome in words.
func (o Outcome) String() string {
	switch o {
	case Met:
		return "met"
	case Missed:
		return "MISSED"
	}
	return "not measured"
}

// Target is one figure that was promised.
type Target struct {
	Name     string
	Wanted   string // such as "at most 280 µs"
	Measured string // empty when it was not
	Outcome  Outcome
}

// AtMost returns the target of a figure that must not be over its bound. Both
// are printed with format.
func AtMost(name, format string, bound, measured float64) Target {
	return judged(name, "at most "+format, format, bound, measured, measured <= bound)
}

// AtLeast returns the target of a figure that must not be under its bound.
func AtLeast(name, format string, bound, measured float64) Target {
	return judged(name, "at least "+format, format, bound, measured, measured >= bound)
}

func judged(name, wanted, format string, bound, measured float64, met bool) Target {
	t := Target{Name: name, Wanted: fmt.Sprintf(wanted, bound), Measured: fmt.Sprintf(format, measured), Outcome: Missed}
	if met {
		t.Outcome = Met
	}
	return t
}

// Targets returns the table of a list of targets.
func Targets(list []Target) Table {
	t := Table{Header: []string{"target", "wanted", "measured", ""}}
	for _, g := range list {
		t.Rows = append(t.Rows, []string{g.Name, g.Wanted, g.Measured, g.Outcome.String()})
	}
	return t
}

// Check returns an error that counts the targets that were missed or not
// measured, and nil when all were met.
func Check(list []Target) error {
	var missed, unknown int
	for _, g := range list {
		switch g.Outcome {
		case Missed:
			missed++
		case NotMeasured:
			unknown++
		}
	}
	if missed+unknown == 0 {
		return nil
	}
	return fmt.Errorf("of %d targets %d were missed and %d not measured", len(list), missed, unknown)
}
