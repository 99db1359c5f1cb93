// Command uploadbench measures how fast a file comes in: by tus and in a form, against
// what a machine does that hashes it and copies it to the same disk.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/pair"
	"github.com/corral-fleet/corral/e2e/bench/program"
	"github.com/corral-fleet/corral/e2e/bench/report"
	"github.com/corral-fleet/corral/e2e/bench/stage"
)

func main() { os.Exit(program.Main("uploadbench", run)) }

// What was promised of an upload: its speed against the reference's, and the memory
// that the control plane takes beside what it has when idle.
const (
	minRatio    = 0.8
	maxMemoryMB = 32
)

// options are what the command line asks for.
type options struct {
	controlPlane string
	dir          string
	fileMiB      int64
	rounds       int
	settle       time.Duration
	output       report.Output
}

// run is the program.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	var o options
	flags := flag.NewFlagSet("uploadbench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.controlPlane, "controlplane", "", "`path` of corral-controlplane")
	flags.StringVar(&o.dir, "dir", "", "`folder` for the files and the server's data, if not that for temporary ones")
	flags.Int64Var(&o.fileMiB, "file", 4096, "how many `MiB` the file has")
	flags.IntVar(&o.rounds, "rounds", 5, "how often each is measured")
	flags.DurationVar(&o.settle, "settle", 5*time.Second, "time until the control plane counts as idle")
	o.output.Flags(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.controlPlane == "" || o.fileMiB < 1 || o.rounds < 1 || flags.NArg() > 0 {
		return errors.New("give -controlplane, a positive -file and -rounds, and no arguments")
	}
	st, err := stage.New()
	if err != nil {
		return err
	}
	defer func() { err = st.Close(err) }()
	dir, err := os.MkdirTemp(o.dir, "uploadbench")
	if err != nil {
		return err
	}
	st.Add(func() error { return os.RemoveAll(dir) })
	cp, err := pair.StartControlPlane(ctx, o.controlPlane, dir+"/data")
	if err != nil {
		return err
	}
	st.Add(cp.Stop)
	f, err := measure(ctx, cp, dir, o, stderr)
	if err != nil {
		return err
	}
	return document(o, f).Publish(stdout, o.output)
}

// document puts the figures into words.
func document(o options, f figures) report.Document {
	doc := report.Document{
		Title:  "How fast a model is uploaded",
		Method: fmt.Sprintf("Medians of %d rounds; in each, every way is measured once. Ratios are medians of those of each round.", o.rounds),
		Figures: report.Table{
			Header: []string{fmt.Sprintf("%d MiB", o.fileMiB), "MB/s", "of the reference", "CPU s of the server", "memory over idle"},
		},
		Notes: []string{
			"The reference is `openssl dgst -sha256` of the file beside a copy of it with fsync, from the beginning until both have ended.",
			"An upload has ended when the file is in the storage, a folder of the same disk, and its sha256 is known; that is asked for every 5 ms. When the answer is there, the bytes are on the disk for good. The client is on the same machine, and shares its cores and its disk with the server.",
			"What a loader makes of the file afterwards is waited for and not measured. CPU and memory are those of the control plane without its plugins; memory is the highest that was resident less what was before the first upload, programs included.",
		},
	}
	for way, name := range wayNames {
		speed := func(seconds []float64) string {
			return fmt.Sprintf("%.0f", float64(o.fileMiB)*(1<<20)/1e6/middle(seconds))
		}
		if way == reference {
			doc.Figures.Rows = append(doc.Figures.Rows, []string{name, speed(f.seconds[way]), "1.00", "", ""})
			continue
		}
		doc.Figures.Rows = append(doc.Figures.Rows,
			[]string{
				name, speed(f.seconds[way]), fmt.Sprintf("%.2f", f.ratio(f.seconds[way])),
				fmt.Sprintf("%.1f", middle(f.cpu[way])), fmt.Sprintf("%.0f MB", slices.Max(f.memory[way])/1e6),
			},
			[]string{name + ", until the answer", speed(f.answered[way]), fmt.Sprintf("%.2f", f.ratio(f.answered[way])), "", ""})
		doc.Targets = append(doc.Targets,
			report.AtLeast(name+", of the reference", "%.2f", minRatio, f.ratio(f.seconds[way])),
			report.AtMost(name+", memory over idle", "%.0f MB", maxMemoryMB, slices.Max(f.memory[way])/1e6))
	}
	return doc
}
