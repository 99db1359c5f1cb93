// Command fleetbench measures what a large fleet costs its control plane: a thousand
// simulated hosts that report once a second, their return after a crash, and ten
// thousand idle ones over TLS.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/program"
	"github.com/corral-fleet/corral/e2e/bench/report"
	"github.com/corral-fleet/corral/e2e/bench/stage"
)

func main() { os.Exit(program.Main("fleetbench", run)) }

// options are what the command line asks for.
type options struct {
	controlPlane string
	hosts        int
	idle         int
	settle       time.Duration
	idleSettle   time.Duration
	over         time.Duration
	outage       time.Duration
	output       report.Output
}

// run is the program.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	var r result
	for _, scene := range []struct {
		count   int
		measure func(context.Context, *stage.Stage, options, io.Writer) error
	}{{o.hosts, r.working}, {o.idle, r.resting}} {
		if scene.count == 0 {
			continue
		}
		if err := onStage(func(st *stage.Stage) error { return scene.measure(ctx, st, o, stderr) }); err != nil {
			return err
		}
	}
	return r.document(o).Publish(stdout, o.output)
}

// onStage runs a scene and ends what it has started.
func onStage(scene func(*stage.Stage) error) (err error) {
	st, err := stage.New()
	if err != nil {
		return err
	}
	defer func() { err = st.Close(err) }()
	return scene(st)
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("fleetbench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.controlPlane, "controlplane", "", "`path` of corral-controlplane")
	flags.IntVar(&o.hosts, "hosts", 1000, "hosts that report once a second; 0 leaves them out")
	flags.IntVar(&o.idle, "idle", 10_000, "idle hosts over TLS; 0 leaves them out")
	flags.DurationVar(&o.settle, "settle", 20*time.Second, "time before the hosts at work are measured")
	flags.DurationVar(&o.idleSettle, "idle-settle", time.Minute, "time before the idle hosts are measured, for half as long: what joining took is given back slowly")
	flags.DurationVar(&o.over, "for", time.Minute, "time of each measurement")
	flags.DurationVar(&o.outage, "outage", 20*time.Second, "time between a control plane's crash and its restart")
	o.output.Flags(flags)
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.controlPlane == "" || o.hosts < 0 || o.idle < 0 || o.hosts+o.idle == 0 || o.over <= 0 || o.settle < 0 || o.idleSettle < 0 || o.outage < 0 || flags.NArg() > 0 {
		return o, errors.New("give -controlplane, hosts or idle ones, a positive -for, and no arguments")
	}
	return o, nil
}

// pause waits, or returns why it did not wait to the end.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait: %w", ctx.Err())
	}
}
