// Command chatbench measures what Corral adds to a chat: the first token of
// one client and the streams a second of many, on the direct path to a
// stand-in Ollama, through nginx in front of nginx, and through a control
// plane and agents, in turn and in one run.
//
// Without -controlplane and -agent, or -corral, it measures the first two
// alone. The stand-in runs as a process of its own: this program, called with
// "standin" as its first argument.
package main

import (
	"context"
	"io"
	"os"

	"github.com/corral-fleet/corral/e2e/bench/program"
	"github.com/corral-fleet/corral/e2e/bench/standin"
)

func main() { os.Exit(program.Main("chatbench", run)) }

// run is the program.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "standin" {
		return standin.Command(ctx, args[1:], stdout, stderr)
	}
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	return bench(ctx, o, stdout, stderr)
}
