// Command socketbench measures what many open dashboards cost a control plane:
// WebSockets that each get the fleet's metrics once a second.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/audience"
	"github.com/corral-fleet/corral/e2e/bench/pair"
	"github.com/corral-fleet/corral/e2e/bench/procstat"
	"github.com/corral-fleet/corral/e2e/bench/program"
	"github.com/corral-fleet/corral/e2e/bench/report"
	"github.com/corral-fleet/corral/e2e/bench/stage"
	"github.com/corral-fleet/corral/e2e/bench/standin"
)

func main() { os.Exit(program.Main("socketbench", run)) }

// options are what the command line asks for.
type options struct {
	controlPlane string
	agent        string
	url          string
	key          string
	pid          int
	sockets      int
	idle         time.Duration
	over         time.Duration
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
	if o.controlPlane != "" {
		if o, err = start(ctx, st, o); err != nil {
			return err
		}
	}
	fmt.Fprintf(stderr, "without sockets for %v, with %d for %v\n", o.idle, o.sockets, o.over)
	r, err := measure(ctx, o)
	if err != nil {
		return err
	}
	return r.document().Publish(stdout, o.output)
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("socketbench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.controlPlane, "controlplane", "", "`path` of corral-controlplane, to start one")
	flags.StringVar(&o.agent, "agent", "", "`path` of corral-agent, to start one that reports to it")
	flags.StringVar(&o.url, "url", "", "base `URL` of a control plane that runs")
	flags.StringVar(&o.key, "key", "", "API key for -url")
	flags.IntVar(&o.pid, "pid", 0, "process `id` of the control plane at -url")
	flags.IntVar(&o.sockets, "sockets", 500, "open WebSockets")
	flags.DurationVar(&o.idle, "idle", 10*time.Second, "time of the measurement without sockets")
	flags.DurationVar(&o.over, "for", 30*time.Second, "time of the measurement with them")
	o.output.Flags(flags)
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	running := o.url != "" && o.key != "" && o.pid > 0
	switch {
	case running == (o.controlPlane != ""):
		return o, errors.New("give either -controlplane or all of -url, -key and -pid")
	case o.agent != "" && running:
		return o, errors.New("-agent goes with -controlplane")
	case o.sockets < 1 || o.idle <= 0 || o.over < 2*time.Second || flags.NArg() > 0:
		return o, errors.New("-sockets and -idle must be positive, -for two seconds or more, and there are no arguments")
	}
	return o, nil
}

// start starts a control plane, and an agent where one was given, and returns
// the options as if they had been running.
func start(ctx context.Context, st *stage.Stage, o options) (options, error) {
	cp, err := pair.StartControlPlane(ctx, o.controlPlane, st.Path("controlplane"))
	if err != nil {
		return o, err
	}
	st.Add(cp.Stop)
	o.url, o.key, o.pid = cp.URL, cp.Key, cp.PID()
	if o.agent == "" {
		return o, nil
	}
	ollama, err := standin.Start(ctx, standin.Options{Tokens: 1})
	if err != nil {
		return o, err
	}
	st.Add(ollama.Stop)
	agent, err := cp.Join(ctx, o.agent, st.Path("agent"), ollama.URL)
	if err != nil {
		return o, err
	}
	st.Add(agent.Stop)
	return o, nil
}

// measure watches the control plane without sockets, then with them.
func measure(ctx context.Context, o options) (result, error) {
	idle, err := procstat.Watch(ctx, o.pid, o.idle)
	if err != nil {
		return result{}, err
	}
	sockets, err := audience.Open(ctx, o.url, o.key, o.sockets)
	if err != nil {
		return result{}, err
	}
	defer sockets.Close()

	r := result{idle: idle}
	var watchErr error
	var wg sync.WaitGroup
	wg.Go(func() { r.busy, watchErr = procstat.Watch(ctx, o.pid, o.over) })
	r.attendance, err = sockets.Watch(ctx, o.over)
	wg.Wait()
	return r, errors.Join(err, watchErr)
}
