// Command streambench measures streams that are open at once: what ten thousand
// of them cost a control plane and its agents in memory and CPU time, and how
// much later the tokens of a thousand faster ones come than on the direct path.
//
// Without -controlplane and -agent it measures the direct path alone. The
// stand-in runs as a process of its own: this program, called with "standin" as
// its first argument.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/corral-fleet/corral/e2e/bench/program"
	"github.com/corral-fleet/corral/e2e/bench/stage"
	"github.com/corral-fleet/corral/e2e/bench/standin"
)

func main() { os.Exit(program.Main("streambench", run)) }

// run is the program.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "standin" {
		return standin.Command(ctx, args[1:], stdout, stderr)
	}
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	var r result
	fmt.Fprintf(stderr, "%s: %v\n", o.many, o.many.lasts())
	if r.many, err = onScene(ctx, o, o.many, o.measureMany); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "%s: %d rounds of %v on each path\n", o.fast, o.rounds, o.fast.lasts())
	if r.fast, err = onScene(ctx, o, o.fast, o.measureFast); err != nil {
		return err
	}
	return r.document(o).Publish(stdout, o.output)
}

// onScene measures on a scene that is set for a load and struck afterwards.
func onScene[T any](ctx context.Context, o options, l streamLoad, measure func(context.Context, *scene) (T, error)) (got T, err error) {
	st, err := stage.New()
	if err != nil {
		return got, err
	}
	defer func() { err = st.Close(err) }()
	s, err := setScene(ctx, st, o, l)
	if err != nil {
		return got, err
	}
	return measure(ctx, s)
}
