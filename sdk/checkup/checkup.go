// Package checkup is what a program's doctor says: checks, each with what was seen
// and, where something is wrong, with what mends it.
package checkup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Status is how a check came out.
type Status string

// How a check can come out.
const (
	OK      Status = "ok"
	Warning Status = "warning" // it works, or may, and not as well as it could
	Failed  Status = "failed"
)

// Check is one thing that was looked at.
type Check struct {
	Name     string `json:"name"`
	Status   Status `json:"status"`
	Evidence string `json:"evidence"`       // what was seen
	Mend     string `json:"mend,omitempty"` // what to do; empty where it is ok
}

// Healthy reports whether nothing has failed.
func Healthy(checks []Check) bool {
	return !slices.ContainsFunc(checks, func(c Check) bool { return c.Status == Failed })
}

// Print writes checks for people, or as a JSON array.
func Print(w io.Writer, checks []Check, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(checks)
	}
	var errs []error
	for _, c := range checks {
		_, err := fmt.Fprintf(w, "%-8s %s: %s\n", c.Status, c.Name, c.Evidence)
		errs = append(errs, err)
		if c.Mend != "" {
			_, err = fmt.Fprintf(w, "         mend: %s\n", c.Mend)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
