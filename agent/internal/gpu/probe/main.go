package probe

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/agent/internal/gpu"
	"github.com/corral-fleet/corral/agent/internal/gpu/source"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/program"
)

const (
	logAfterFlag = "--log-after="
	cudaFlag     = "cuda"
)

// Main runs the program and returns its exit code.
func Main(version string, p Process) int {
	return program.Run("corral-gpuprobe", p.Stderr, func(ctx context.Context) error {
		root := newRoot(version, p) //nolint:contextcheck // cobra hands the context to what runs
		root.SetArgs(append([]string{}, p.Args...))
		root.SetOut(p.Stdout)
		root.SetErr(p.Stderr)
		return root.ExecuteContext(ctx)
	})
}

func newRoot(version string, p Process) *cobra.Command {
	o := options{gpu: source.Auto, host: source.ThisHost(), renewAfter: renewInterval}
	logAfter := ""
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
	flags := root.Flags()
	flags.StringVar(&o.gpu, "gpu", o.gpu, "auto, none, demo or recorded:NAME")
	flags.DurationVar(&o.every, "every", 0, "time between two frames; 0 prints one reading and ends")
	flags.StringVar(&logAfter, "log-after", "", "number of the last record of the kernel log whose faults are known")
	flags.StringVar(&o.record, "record", "", "file to write readings to until interrupted, without what identifies the cards")
	flags.StringVar(&o.host.Library, "library", o.host.Library, "the driver's library")
	flags.StringVar(&o.host.Sys, "sys", o.host.Sys, "where sysfs is")
	flags.StringVar(&o.host.Proc, "proc", o.host.Proc, "where procfs is")
	flags.StringVar(&o.host.Log, "log", o.host.Log, "the kernel log")
	flags.DurationVar(&o.renewAfter, "renew-after", o.renewAfter, "how long a process stays that found no driver")
	flags.BoolVar(&o.cuda, cudaFlag, false, "print the version of CUDA and end")
	for _, name := range []string{"library", "sys", "proc", "log", "renew-after", cudaFlag} {
		flags.Lookup(name).Hidden = true // they are for tests, and for the probe itself
	}
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		if logAfter != "" {
			n, err := strconv.ParseUint(logAfter, 10, 64)
			if err != nil {
				return fault.New(fault.Invalid, "--log-after %q is not a number", logAfter)
			}
			o.host.LogAfter = gpu.Of(n)
		}
		return run(cmd.Context(), o, p)
	}
	return root
}

func run(ctx context.Context, o options, p Process) error {
	switch {
	case o.every < 0:
		return fault.New(fault.Invalid, "--every %v is negative", o.every)
	case o.cuda:
		_, err := fmt.Fprint(p.Stdout, source.CUDAVersion(o.host))
		return err
	case o.record != "":
		if o.every == 0 {
			o.every = time.Second
		}
		return record(ctx, o)
	case o.every == 0:
		return once(o, p.Stdout)
	}
	o.host.CUDA = func() <-chan string { return askCUDA(ctx, o.host.Library, p.Program) }
	out := p.Frames()
	defer out.Close() // its reader has gone where that fails
	return untilClosed(ctx, p.Stdin, func(ctx context.Context) error { return send(ctx, o, p, out) })
}
