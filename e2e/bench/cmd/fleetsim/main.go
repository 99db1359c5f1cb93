// Command fleetsim joins a fleet of simulated hosts to a control plane and keeps
// it there until it is interrupted: to look at a dashboard, or to measure it,
// with more hosts and GPUs than there are at hand. Each start joins new hosts, so
// it is for control planes that are thrown away afterwards.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"

	"github.com/corral-fleet/corral/e2e/bench/program"
	"github.com/corral-fleet/corral/e2e/bench/storm"
)

func main() { os.Exit(program.Main("fleetsim", run)) }

// run is the program.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	fleet, err := storm.Simulate(o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- fleet.Run(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-fleet.Complete():
	}
	_, err = fmt.Fprintf(stdout, "%d hosts with %d GPUs each are connected\n", o.Hosts, o.GPUsPerHost)
	if err != nil {
		cancel()
	}
	return errors.Join(err, <-ended)
}

func parseOptions(args []string, stderr io.Writer) (storm.Options, error) {
	var o storm.Options
	flags := flag.NewFlagSet("fleetsim", flag.ContinueOnError)
	flags.SetOutput(stderr)
	server := flags.String("server", "http://127.0.0.1:11435", "`URL` of the control plane, without TLS")
	flags.StringVar(&o.Token, "token", "", "join `token` that so many hosts may use")
	flags.IntVar(&o.Hosts, "hosts", 100, "simulated hosts")
	flags.IntVar(&o.GPUsPerHost, "gpus", 8, "GPUs of each host")
	flags.IntVar(&o.Models, "models", 6, "different models that the hosts hold, two or three each; 0 is none")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	u, err := url.Parse(*server)
	switch {
	case err != nil || u.Scheme != "http" || u.Port() == "":
		return o, errors.New("-server must be like http://127.0.0.1:11435, with a port and without TLS")
	case o.Token == "" || flags.NArg() > 0:
		return o, errors.New("-token is missing, or there are arguments; make a token with corral-controlplane token create --uses N")
	}
	o.Address = u.Host
	return o, nil
}
