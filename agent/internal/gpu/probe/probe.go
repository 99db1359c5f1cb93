// Package probe is corral-gpuprobe: the process in which the driver's library is
// called, so that a call that hangs, aborts or crashes takes nothing else along.
package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/agent/internal/gpu/frame"
	"github.com/corral-fleet/corral/agent/internal/gpu/source"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/program"
)

// FramesFD is the file descriptor to which a probe with an interval writes. It
// is not standard output, on which libraries print.
const FramesFD = 3

// Main runs the program and returns its exit code. frames opens what
// [FramesFD] is.
func Main(version string, args []string, stdin io.Reader, frames func() io.WriteCloser, stdout, stderr io.Writer) int {
	return program.Run("corral-gpuprobe", stderr, func(ctx context.Context) error {
		root := newRoot(version, stdin, frames) //nolint:contextcheck // cobra hands the context to what runs
		root.SetArgs(append([]string{}, args...))
		root.SetOut(stdout)
		root.SetErr(stderr)
		return root.ExecuteContext(ctx)
	})
}

func newRoot(version string, stdin io.Reader, frames func() io.WriteCloser) *cobra.Command {
	name := source.Auto
	var every time.Duration
	root := &cobra.Command{
		Use:   "corral-gpuprobe",
		Short: "Read this host's GPUs once and print them as JSON",
		Long: "Read this host's GPUs once and print them as JSON. The agent starts it with --every, and then\n" +
			"reads frames from file descriptor 3 until it closes the probe's standard input.",
		Version: version, SilenceErrors: true, SilenceUsage: true,
		Args: func(cmd *cobra.Command, args []string) error { return program.Usage(cobra.NoArgs(cmd, args)) },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return program.Usage(err) })
	root.CompletionOptions.HiddenDefaultCmd = true
	root.Flags().StringVar(&name, "gpu", name, "auto, none, demo or recorded:NAME")
	root.Flags().DurationVar(&every, "every", 0, "time between two frames; 0 prints one reading and ends")
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case every < 0:
			return fault.New(fault.Invalid, "--every %v is negative", every)
		case every == 0:
			return once(name, cmd.OutOrStdout())
		}
		out := frames()
		defer out.Close() // its reader has gone where that fails
		return untilClosed(cmd.Context(), stdin, func(ctx context.Context) error { return send(ctx, name, every, out) })
	}
	return root
}

func once(name string, w io.Writer) error {
	s, err := source.Open(name)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(s.Read())
}

// untilClosed runs work until it or standard input ends, whichever is first, and
// does not wait for work then: a call into the driver may never return.
func untilClosed(ctx context.Context, stdin io.Reader, work func(context.Context) error) error {
	done := make(chan error, 2)
	go func() {
		_, err := io.Copy(io.Discard, stdin)
		done <- err
	}()
	go func() { done <- work(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return nil
	}
}

func send(ctx context.Context, name string, every time.Duration, w io.Writer) error {
	s, err := source.Open(name)
	if err != nil {
		return err
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	out := frame.NewWriter(w)
	for {
		r := s.Read()
		if err := out.Write(&r); err != nil {
			return fmt.Errorf("write a reading: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
