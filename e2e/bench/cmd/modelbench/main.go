// Command modelbench measures how models get from a storage to where they are used: how
// soon one is ready in an Ollama, beside what Ollama itself takes for a file that is there
// already, how much of a large one is read to know what it is, and what it costs to bring
// one to many hosts together.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/e2e/bench/program"
	"github.com/corral-fleet/corral/e2e/bench/report"
	"github.com/corral-fleet/corral/e2e/bench/stage"
)

func main() { os.Exit(program.Main("modelbench", run)) }

// options are what the command line asks for.
type options struct {
	controlPlane string
	agent        string
	ollama       string
	server       string
	dir          string
	parts        string
	fileMiB      int64
	rounds       int
	sharedMiB    int64
	hosts        int
	output       report.Output
}

// part is one question that the program answers.
type part struct {
	name    string // on the command line
	measure func(context.Context, *stage.Stage, options, io.Writer) (answer, error)
}

// answer is what was found.
type answer struct {
	table   report.Table
	targets []report.Target
	notes   []string
}

// parts returns all of them, in the order in which they are measured.
func parts() []part {
	return []part{
		{"ready", measureReady},
		{"inspect", measureInspect},
		{"shared", measureShared},
	}
}

// run is the program.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	doc := report.Document{
		Title:  "How models get to hosts",
		Method: fmt.Sprintf("Medians of %d rounds; in each, every way is measured once. Ratios are medians of those of each round.", o.rounds),
	}
	for _, p := range parts() {
		if !o.wants(p.name) {
			continue
		}
		fmt.Fprintln(stderr, p.name)
		a, err := onStage(func(st *stage.Stage) (answer, error) { return p.measure(ctx, st, o, stderr) })
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if doc.Figures.Header == nil {
			doc.Figures = a.table
		} else {
			doc.More = append(doc.More, a.table)
		}
		doc.Targets, doc.Notes = append(doc.Targets, a.targets...), append(doc.Notes, a.notes...)
	}
	return doc.Publish(stdout, o.output)
}

// onStage measures a part and ends what it has started.
func onStage(measure func(*stage.Stage) (answer, error)) (a answer, err error) {
	st, err := stage.New()
	if err != nil {
		return a, err
	}
	defer func() { err = st.Close(err) }()
	return measure(st)
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("modelbench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.controlPlane, "controlplane", "", "`path` of corral-controlplane, beside which are its plugins")
	flags.StringVar(&o.agent, "agent", "", "`path` of corral-agent, beside which is corral-modelworker")
	flags.StringVar(&o.ollama, "ollama", "", "`path` of ollama")
	flags.StringVar(&o.server, "versitygw", "", "`path` of VersityGW, a service that hosts fetch from by themselves; without it that is not measured")
	flags.StringVar(&o.dir, "dir", "", "`folder` for the files, if not that for temporary ones")
	flags.StringVar(&o.parts, "parts", "", "which `parts` are measured, such as ready,inspect; empty is all")
	flags.Int64Var(&o.fileMiB, "file", 2048, "how many `MiB` the model has that is brought to hosts")
	flags.IntVar(&o.rounds, "rounds", 5, "how often each is measured")
	flags.Int64Var(&o.sharedMiB, "shared-file", 512, "how many `MiB` the model has that hosts get together")
	flags.IntVar(&o.hosts, "hosts", 8, "how many hosts get it")
	o.output.Flags(flags)
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.controlPlane == "" || o.agent == "" || o.ollama == "" || o.fileMiB < 1 || o.rounds < 1 || o.sharedMiB < 1 || o.hosts < 1 || flags.NArg() > 0 {
		return o, errors.New("give -controlplane, -agent, -ollama, positive -file, -rounds, -shared-file and -hosts, and no arguments")
	}
	for name := range strings.SplitSeq(o.parts, ",") {
		if name != "" && !slices.ContainsFunc(parts(), func(p part) bool { return p.name == name }) {
			return o, fmt.Errorf("there is no part %q", name)
		}
	}
	return o, nil
}

// wants reports whether a part is to be measured.
func (o *options) wants(name string) bool {
	return o.parts == "" || slices.Contains(strings.Split(o.parts, ","), name)
}

// middle returns the median.
func middle(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}
