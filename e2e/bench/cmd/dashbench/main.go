// Command dashbench measures what the dashboard costs a browser that shows a
// large fleet: a real control plane, simulated hosts, and headless Chromium.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/pair"
	"github.com/corral-fleet/corral/e2e/bench/program"
	"github.com/corral-fleet/corral/e2e/bench/report"
	"github.com/corral-fleet/corral/e2e/bench/stage"
	"github.com/corral-fleet/corral/e2e/bench/storm"
)

func main() { os.Exit(program.Main("dashbench", run)) }

// options are what the command line asks for.
type options struct {
	controlPlane string
	scripts      string
	browser      string
	hosts, gpus  int
	over, heap   time.Duration
	output       report.Output
}

// run is the program.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	st, err := stage.New()
	if err != nil {
		return err
	}
	defer func() { err = st.Close(err) }()
	controlplane, err := pair.StartControlPlane(ctx, o.controlPlane, st.Path("controlplane"))
	if err != nil {
		return err
	}
	st.Add(controlplane.Stop)
	stop, err := storm.Start(ctx, storm.Options{
		Address: controlplane.Address(), Token: controlplane.Token, Hosts: o.hosts, GPUsPerHost: o.gpus, Models: storm.MaxModels,
	})
	if err != nil {
		return err
	}
	st.Add(stop)
	fmt.Fprintf(stderr, "%d hosts with %d GPUs are connected; the browser looks at them for %v, and at its heap for %v\n", o.hosts, o.gpus, 2*o.over, o.heap)
	r, err := measure(ctx, o, controlplane, stderr)
	if err != nil {
		return err
	}
	return r.document(o).Publish(stdout, o.output)
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("dashbench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.controlPlane, "controlplane", "bin/corral-controlplane", "`path` of corral-controlplane")
	flags.StringVar(&o.scripts, "scripts", "e2e/dashboard", "`folder` of measure.js, with its modules installed")
	flags.StringVar(&o.browser, "browser", "chromium", "Chromium's `program`")
	flags.IntVar(&o.hosts, "hosts", 100, "simulated hosts")
	flags.IntVar(&o.gpus, "gpus", 8, "GPUs of each host")
	flags.DurationVar(&o.over, "for", 20*time.Second, "time of each measurement of the main thread")
	flags.DurationVar(&o.heap, "heap", time.Minute, "time in which the heap is watched")
	o.output.Flags(flags)
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.over < time.Second || o.heap < time.Second || flags.NArg() > 0 {
		return o, errors.New("-for and -heap must be a second or more, and there are no arguments")
	}
	browser, err := exec.LookPath(o.browser)
	o.browser = browser
	return o, err
}

// measure has the script look at the dashboard.
func measure(ctx context.Context, o options, controlplane *pair.ControlPlane, stderr io.Writer) (result, error) {
	cmd := exec.CommandContext(ctx, "node", "measure.js")
	cmd.Dir, cmd.Stderr = o.scripts, stderr
	cmd.Env = append(os.Environ(),
		"CORRAL_BROWSER="+o.browser, "CORRAL_URL="+controlplane.URL, "CORRAL_ADMIN_KEY="+controlplane.Key,
		"CORRAL_SECONDS="+strconv.FormatFloat(o.over.Seconds(), 'f', -1, 64),
		"CORRAL_HEAP_SECONDS="+strconv.FormatFloat(o.heap.Seconds(), 'f', -1, 64))
	out, err := cmd.Output()
	if err != nil {
		return result{}, fmt.Errorf("measure.js: %w", err)
	}
	var r result
	if err := json.Unmarshal(out, &r); err != nil {
		return result{}, fmt.Errorf("measure.js printed %q: %w", out, err)
	}
	if len(r.HeapBytes) < 2 {
		return result{}, errors.New("measure.js measured no heap")
	}
	return r, nil
}
