package main

import (
	"errors"
	"flag"
	"io"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/report"
)

// options are what the command line asks for.
type options struct {
	tokens        int
	rounds        int // of one client, in each of which every path has its turn
	requests      int // in a turn of one client
	clients       int // of the crowd
	crowdRounds   int
	window        time.Duration // of a turn of the crowd
	nginx         string
	corralURL     string
	key           string
	controlPlane  string
	agent         string
	hosts         int // that the model is on, each with an agent
	standInListen string
	output        report.Output
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("chatbench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.tokens, "tokens", 64, "pieces of an answer")
	flags.IntVar(&o.rounds, "rounds", 40, "rounds of one client, in each of which every path has its turn")
	flags.IntVar(&o.requests, "requests", 100, "requests in a turn of one client")
	flags.IntVar(&o.clients, "clients", 32, "clients of the crowd")
	flags.IntVar(&o.crowdRounds, "crowd-rounds", 12, "rounds of the crowd")
	flags.DurationVar(&o.window, "window", 1500*time.Millisecond, "time of a turn of the crowd")
	flags.StringVar(&o.nginx, "nginx", "", "`path` of nginx; found or unpacked where it is empty")
	flags.StringVar(&o.controlPlane, "controlplane", "", "`path` of corral-controlplane, to start one")
	flags.StringVar(&o.agent, "agent", "", "`path` of corral-agent, to start one")
	flags.IntVar(&o.hosts, "hosts", 16, "agents to start, between which requests are routed")
	flags.StringVar(&o.corralURL, "corral", "", "`URL` of a control plane that runs, with an agent attached to the stand-in")
	flags.StringVar(&o.key, "key", "", "API key for -corral")
	flags.StringVar(&o.standInListen, "standin-listen", "127.0.0.1:0", "`address` of the stand-in, for an agent that runs already")
	o.output.Flags(flags)
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	return o, o.check(flags.NArg())
}

// check returns every fault of the options at once.
func (o options) check(arguments int) error {
	var faults []error
	fault := func(wrong bool, sentence string) {
		if wrong {
			faults = append(faults, errors.New(sentence))
		}
	}
	fault(arguments > 0, "chatbench takes flags alone")
	fault(o.tokens < 1, "-tokens is less than one")
	fault(o.rounds < 1 || o.requests < 1 || o.clients < 1 || o.crowdRounds < 1 || o.window <= 0,
		"-rounds, -requests, -clients, -crowd-rounds and -window must be positive")
	fault(o.hosts < 1, "-hosts is less than one")
	fault((o.controlPlane == "") != (o.agent == ""), "-controlplane and -agent go together")
	fault((o.corralURL == "") != (o.key == ""), "-corral and -key go together")
	fault(o.corralURL != "" && o.controlPlane != "", "-corral and -controlplane exclude each other")
	return errors.Join(faults...)
}
