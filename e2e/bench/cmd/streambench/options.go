package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/report"
)

// options are what the command line asks for.
type options struct {
	many         streamLoad // for what a stream costs
	fast         streamLoad // for what is added to a token
	rounds       int        // of the fast ones, in each of which every path has its turn
	agents       int
	idle         time.Duration // time of the measurement without streams
	controlPlane string
	agent        string
	output       report.Output
}

// streamLoad is a number of streams and when they are heard.
type streamLoad struct {
	streams int
	rate    int           // tokens a second of each stream
	ramp    time.Duration // over which they begin
	window  time.Duration // in which all are open, and their tokens are counted
}

// settle lies between the last stream's beginning and the window.
const settle = time.Second

// pace is the time from a token to the next.
func (l streamLoad) pace() time.Duration { return time.Second / time.Duration(l.rate) }

// tokens is how many a stream has: enough for the first not to end before the
// window does.
func (l streamLoad) tokens() int { return int((l.ramp+settle+l.window)/l.pace()) + 1 }

// lasts is how long all of it takes.
func (l streamLoad) lasts() time.Duration {
	return l.ramp + time.Duration(l.tokens())*l.pace()
}

// due is how many tokens the window has.
func (l streamLoad) due() int { return l.streams * int(l.window/l.pace()) }

func (l streamLoad) String() string {
	return fmt.Sprintf("%d streams of %d tokens a second", l.streams, l.rate)
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("streambench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.many.streams, "streams", 10000, "open streams, for memory and CPU time")
	flags.IntVar(&o.many.rate, "rate", 2, "tokens a second of each of them")
	flags.DurationVar(&o.many.ramp, "ramp", 10*time.Second, "time over which they begin")
	flags.DurationVar(&o.many.window, "for", 60*time.Second, "time of the measurement")
	flags.IntVar(&o.fast.streams, "fast-streams", 1000, "open streams, for what is added to a token")
	flags.IntVar(&o.fast.rate, "fast-rate", 20, "tokens a second of each of them")
	flags.DurationVar(&o.fast.ramp, "fast-ramp", time.Second, "time over which they begin")
	flags.DurationVar(&o.fast.window, "fast-for", 5*time.Second, "time of a turn, of which every path has one in each round")
	flags.IntVar(&o.rounds, "rounds", 6, "rounds of the fast streams")
	flags.IntVar(&o.agents, "agents", 4, "agents between which the streams are shared")
	flags.DurationVar(&o.idle, "idle", 5*time.Second, "time of the measurement without streams")
	flags.StringVar(&o.controlPlane, "controlplane", "", "`path` of corral-controlplane, to start one")
	flags.StringVar(&o.agent, "agent", "", "`path` of corral-agent, to start some")
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
	fault(arguments > 0, "streambench takes flags alone")
	fault(o.rounds < 1 || o.agents < 1 || o.idle <= 0, "-rounds, -agents and -idle must be positive")
	fault((o.controlPlane == "") != (o.agent == ""), "-controlplane and -agent go together")
	for _, l := range []streamLoad{o.many, o.fast} {
		fault(l.streams < 1 || l.ramp < 0, "streams must be one or more, and a ramp lies ahead")
		if l.rate < 1 || 1000%l.rate != 0 {
			fault(true, "a rate must have a whole number of milliseconds from a token to the next")
			continue
		}
		fault(l.window < l.pace(), "the time of a measurement must have a token")
	}
	return errors.Join(faults...)
}
