// Command agentbench measures what an agent uses of a host: memory and CPU
// time while it reports once a second to a control plane, attached to a
// stand-in Ollama that has nothing to do.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/load"
	"github.com/corral-fleet/corral/e2e/bench/pair"
	"github.com/corral-fleet/corral/e2e/bench/procstat"
	"github.com/corral-fleet/corral/e2e/bench/program"
	"github.com/corral-fleet/corral/e2e/bench/report"
	"github.com/corral-fleet/corral/e2e/bench/stage"
	"github.com/corral-fleet/corral/e2e/bench/standin"
)

func main() { os.Exit(program.Main("agentbench", run)) }

// joinLimit is how long an agent may take to join and answer.
const joinLimit = 30 * time.Second

// options are what the command line asks for.
type options struct {
	controlPlane string
	agent        string
	gpu          string
	pid          int
	settle       time.Duration
	over         time.Duration
	output       report.Output
}

// run is the program.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	var o options
	flags := flag.NewFlagSet("agentbench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.controlPlane, "controlplane", "", "`path` of corral-controlplane")
	flags.StringVar(&o.agent, "agent", "", "`path` of corral-agent")
	flags.StringVar(&o.gpu, "gpu", "none", "`source` of the agent's GPUs, such as recorded:dgxh100")
	flags.IntVar(&o.pid, "pid", 0, "process `id` of an agent that runs already, in place of the two programs")
	flags.DurationVar(&o.settle, "settle", 10*time.Second, "time before the measurement")
	flags.DurationVar(&o.over, "for", time.Minute, "time of the measurement")
	o.output.Flags(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if (o.pid == 0) == (o.controlPlane == "" || o.agent == "") || o.over <= 0 || flags.NArg() > 0 {
		return errors.New("give either -pid or both -controlplane and -agent, a positive -for, and no arguments")
	}
	st, err := stage.New()
	if err != nil {
		return err
	}
	defer func() { err = st.Close(err) }()
	pid := o.pid
	if pid == 0 {
		if pid, err = startAgent(ctx, st, o); err != nil {
			return err
		}
	}
	fmt.Fprintf(stderr, "settling for %v, measuring for %v\n", o.settle, o.over)
	loads, err := watch(ctx, pid, o)
	if err != nil {
		return err
	}
	return document(loads, o.gpu).Publish(stdout, o.output)
}

// startAgent starts the stand-in, a control plane and an agent, waits until an
// answer comes through them, and returns the agent's process id.
func startAgent(ctx context.Context, st *stage.Stage, o options) (int, error) {
	ollama, err := standin.Start(ctx, standin.Options{Tokens: 1})
	if err != nil {
		return 0, err
	}
	st.Add(ollama.Stop)
	cp, err := pair.StartControlPlane(ctx, o.controlPlane, st.Path("controlplane"))
	if err != nil {
		return 0, err
	}
	st.Add(cp.Stop)
	agent, err := cp.Join(ctx, o.agent, st.Path("agent"), ollama.URL, "--gpu", o.gpu)
	if err != nil {
		return 0, err
	}
	st.Add(agent.Stop)
	limited, cancel := context.WithTimeout(ctx, joinLimit)
	defer cancel()
	body := []byte(`{"model":"` + standin.Model + `","messages":[{"role":"user","content":"hello"}]}`)
	if err := pair.AwaitAnswer(limited, load.Request{URL: cp.URL + "/api/chat", Key: cp.Key, Body: body}); err != nil {
		return 0, fmt.Errorf("%w\ncontrol plane:\n%s\nagent:\n%s", err, cp.Output(), agent.Output())
	}
	return agent.PID(), nil
}

// watch measures the agent and the processes that it has started, once they
// have settled. The agent is the first.
func watch(ctx context.Context, pid int, o options) ([]procstat.Load, error) {
	settled := time.NewTimer(o.settle)
	defer settled.Stop()
	select {
	case <-settled.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	pids, err := procstat.Tree(pid)
	if err != nil {
		return nil, err
	}
	return procstat.WatchAll(ctx, pids, o.over)
}
