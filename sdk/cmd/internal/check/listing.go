package check

import (
	"fmt"
	"io"

	"github.com/corral-fleet/corral/sdk/loader/loadertest"
	"github.com/corral-fleet/corral/sdk/storage/storagetest"
)

// Case is a check by its id, which stays, and the sentence of the contract that it
// stands for.
type Case struct {
	ID, Sentence string
	Needs        string // the capability without which it says nothing; "" is none
}

// Cases returns all checks, in the order in which they run.
func Cases() []Case {
	var all []Case
	for _, c := range storagetest.Checks() {
		all = append(all, Case{c.ID, c.Sentence, c.Needs.String()})
	}
	for _, c := range loadertest.Checks() {
		all = append(all, Case{ID: c.ID, Sentence: c.Sentence})
	}
	seen := map[string]bool{}
	for _, c := range processChecks() {
		if !seen[c.id] { // those of both kinds may go about it differently
			all = append(all, Case{ID: c.id, Sentence: c.sentence})
		}
		seen[c.id] = true
	}
	return all
}

// list prints the checks, as lines of a table that documents have as well.
func list(w io.Writer) error {
	for _, c := range Cases() {
		if _, err := fmt.Fprintf(w, "| %s | %s | %s |\n", c.ID, c.Sentence, c.Needs); err != nil {
			return err
		}
	}
	return nil
}
