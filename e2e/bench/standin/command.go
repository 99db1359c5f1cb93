package standin

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
)

// Command is the stand-in as a program. It writes one JSON line with the
// address to stdout once it listens, and serves until ctx ends.
func Command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o Options
	flags := flag.NewFlagSet("standin", flag.ContinueOnError)
	flags.SetOutput(stderr)
	listen := flags.String("listen", "127.0.0.1:0", "`address` to listen on; port 0 picks a free one")
	flags.IntVar(&o.Tokens, "tokens", 64, "pieces of an answer")
	flags.DurationVar(&o.Delay, "delay", 0, "pause before each piece")
	flags.DurationVar(&o.Pace, "pace", 0, "time from one piece of a stream to the next, each of which says when it was sent")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s, err := New(o)
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", *listen)
	if err != nil {
		return fmt.Errorf("standin: %w", err)
	}
	ready := map[string]string{"@message": "listening", "address": ln.Addr().String()}
	if err := json.NewEncoder(stdout).Encode(ready); err != nil {
		return fmt.Errorf("standin: announce the address: %w", err)
	}
	return s.Serve(ctx, ln)
}
