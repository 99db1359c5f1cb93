package check

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/corral-fleet/corral/sdk/storage/storagetest"
)

// Report is what came of all checks.
type Report struct {
	Plugin       string   `json:"plugin"`
	Version      string   `json:"version"`
	Kind         string   `json:"kind"`
	SHA256       string   `json:"sha256"`
	Capabilities string   `json:"capabilities"`
	Results      []Result `json:"results"`
	// Stopped is that not all checks were tried: the last ones were not answered.
	Stopped bool `json:"stopped,omitempty"`
}

// Result is what came of one check.
type Result struct {
	ID          string              `json:"id"`
	Sentence    string              `json:"sentence"` // of the contract
	Verdict     storagetest.Verdict `json:"verdict"`
	Faults      []string            `json:"faults,omitempty"`
	TookSeconds float64             `json:"took_seconds"`
}

func (r *Report) add(id, sentence string, came storagetest.Result) {
	r.Results = append(r.Results, Result{id, sentence, came.Verdict, came.Faults, came.Took.Seconds()})
}

func (r *Report) bad() int {
	return r.count(storagetest.Failed) + r.count(storagetest.DeclaredButBroken)
}

func (r *Report) count(v storagetest.Verdict) int {
	n := 0
	for i := range r.Results {
		if r.Results[i].Verdict == v {
			n++
		}
	}
	return n
}

// publish prints the report, and writes it where that is asked for.
func (r *Report) publish(o Options, stdout io.Writer) (err error) {
	if o.JUnit != "" {
		err = r.writeJUnit(o.JUnit)
	}
	if o.JSON {
		out := json.NewEncoder(stdout)
		out.SetIndent("", "  ")
		return errors.Join(err, out.Encode(r))
	}
	r.print(stdout)
	return err
}

// print prints the report for people: each check in a line, and what was wrong.
func (r *Report) print(w io.Writer) {
	fmt.Fprintf(w, "%s %s, a %s plugin\n", r.Plugin, r.Version, r.Kind)
	if r.Capabilities != "" {
		fmt.Fprintf(w, "beyond the contract it says that it can: %s\n", r.Capabilities)
	}
	fmt.Fprintln(w)
	for i := range r.Results {
		one := &r.Results[i]
		fmt.Fprintf(w, "%-20s %-16s %s\n", one.Verdict, one.ID, one.Sentence)
		for _, f := range one.Faults {
			fmt.Fprintf(w, "%-20s %-16s   %s\n", "", "", f)
		}
	}
	var counts []string
	for _, v := range []storagetest.Verdict{
		storagetest.Passed, storagetest.Failed, storagetest.DeclaredButBroken, storagetest.WorksButUndeclared, storagetest.NotDeclared,
	} {
		if n := r.count(v); n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, v))
		}
	}
	fmt.Fprintf(w, "\n%s\n", strings.Join(counts, ", "))
}

// What JUnit's XML is made of.
type (
	junitSuite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name        string    `xml:"name,attr"`
		Class       string    `xml:"classname,attr"`
		TimeSeconds float64   `xml:"time,attr"`
		Failure     *junitSay `xml:"failure,omitempty"`
		Skipped     *junitSay `xml:"skipped,omitempty"`
	}
	junitSay struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

func (r *Report) writeJUnit(path string) error {
	suite := junitSuite{Name: r.Plugin, Tests: len(r.Results), Failures: r.bad(), Skipped: r.count(storagetest.NotDeclared)}
	for i := range r.Results {
		one := &r.Results[i]
		c := junitCase{Name: one.ID, Class: r.Kind, TimeSeconds: one.TookSeconds}
		switch {
		case one.Verdict.Bad():
			c.Failure = &junitSay{Message: one.Sentence, Text: strings.Join(one.Faults, "\n")}
		case one.Verdict == storagetest.NotDeclared:
			c.Skipped = &junitSay{Message: string(one.Verdict)}
		}
		suite.Cases = append(suite.Cases, c)
	}
	out, err := xml.MarshalIndent(suite, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append([]byte(xml.Header), out...), 0o644) //nolint:gosec // others read it
}
