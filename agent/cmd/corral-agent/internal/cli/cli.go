// Package cli is corral-agent's command line.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/agent/internal/agent"
	"github.com/corral-fleet/corral/agent/internal/config"
	"github.com/corral-fleet/corral/agent/internal/status"
	sdkconfig "github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/program"
	"github.com/corral-fleet/corral/sdk/sdnotify"
)

// Main runs the program and returns its exit code.
func Main(version string, args, environ []string, stdout, stderr io.Writer) int {
	return program.Run("corral-agent", stderr, func(ctx context.Context) error {
		root := newRoot(version, environ) //nolint:contextcheck // cobra hands the context to what runs
		// Never nil, of which cobra would make the process's own arguments.
		root.SetArgs(append([]string{}, args...))
		root.SetOut(stdout)
		root.SetErr(stderr)
		return root.ExecuteContext(ctx)
	})
}

func newRoot(version string, environ []string) *cobra.Command {
	root := &cobra.Command{
		Use:           "corral-agent",
		Short:         "Look after this host's Ollama and report to a corral control plane",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return program.Usage(err) })
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newRun(version, environ), newJoin(version, environ), newLeave(version, environ), newStatus(environ), newDoctor(version, environ), newGPU(environ), &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version)
			return err
		},
	})
	return root
}

func noArgs(cmd *cobra.Command, args []string) error {
	return program.Usage(cobra.NoArgs(cmd, args))
}

// settings adds every setting as a flag to cmd and returns what reads them.
func settings(cmd *cobra.Command, environ []string) func() (config.Config, error) {
	cfg := config.Default()
	sdkconfig.BindFlags(cmd.Flags(), &cfg)
	return func() (config.Config, error) {
		_, err := sdkconfig.Load(&cfg, sdkconfig.Source{Prefix: config.Prefix, Environ: environ, Flags: cmd.Flags()})
		return cfg, err
	}
}

func newRun(version string, environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the agent in the foreground",
		Long:  "Run the agent in the foreground. With --token it joins a control plane first, unless it has joined already.",
		Args:  noArgs,
	}
	load := settings(cmd, environ)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		beFrugal(environ)
		log := program.NewLogger("corral-agent", cfg.LogLevel, cfg.LogFormat, cmd.ErrOrStderr())
		return agent.New(cfg, version, log).Run(cmd.Context(), sdnotify.Under(environ, log))
	}
	return cmd
}

// collectAt is how far the heap grows, in percent of what is live, before it is
// collected. The agent's is small, and the runtime's own 100 would let it grow
// to 4 MB first.
const collectAt = 25

// beFrugal keeps the agent to one processor at a time and to little memory. It
// works beside others' programs on machines with many cores, where the Go
// runtime would keep memory for each core and wake idle ones for every token
// that passes; one is enough for all tokens of a host. Who sets GOMAXPROCS or
// GOGC decides otherwise.
func beFrugal(environ []string) {
	set := func(name string) bool {
		return slices.ContainsFunc(environ, func(entry string) bool { return strings.HasPrefix(entry, name+"=") })
	}
	if !set("GOMAXPROCS") {
		runtime.GOMAXPROCS(1)
	}
	if !set("GOGC") {
		debug.SetGCPercent(collectAt)
	}
}

// statusTimeout is how long a running agent may take to say how it is.
const statusTimeout = 5 * time.Second

func newStatus(environ []string) *cobra.Command {
	cmd := &cobra.Command{Use: "status", Short: "Show how the running agent is", Args: noArgs}
	load := settings(cmd, environ)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		network, address := cfg.StatusAddress()
		report, err := ask(cmd.Context(), network, address)
		if err != nil {
			return err
		}
		return printReport(cmd.OutOrStdout(), report)
	}
	return cmd
}

func ask(ctx context.Context, network, address string) (report status.Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	_, err = call(ctx, network, address, http.MethodGet, "/readyz", &report)
	return report, err
}

// call asks the running agent for something, and returns the status of its answer.
func call(ctx context.Context, network, address, method, target string, answer any) (code int, err error) {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+target, nil)
	if err != nil {
		return 0, err
	}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return 0, fault.Wrap(fault.Unavailable, err, "no agent answers at %s; is it running with this data directory?", address)
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	return res.StatusCode, json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(answer)
}

func printReport(w io.Writer, r status.Report) error {
	host := "not joined"
	if r.Joined {
		host = fmt.Sprintf("%s (%s)", r.Host, r.HostID)
	}
	connection := "not connected"
	if r.Connected {
		connection = "connected to " + r.Server
	}
	ollama := r.Ollama.State
	if r.Ollama.Version != "" {
		ollama += fmt.Sprintf(", version %s, %d models", r.Ollama.Version, r.Ollama.Models)
	}
	_, err := fmt.Fprintf(w, "host      %s\nagent     %s, %s\nollama    %s, %s\n", host, r.Version, connection, r.Ollama.Mode, ollama)
	if text := gpuLine(r.GPUs); text != "" {
		_, perr := fmt.Fprintf(w, "gpus      %s\n", text)
		err = errors.Join(err, perr)
	}
	for _, p := range r.Problems {
		_, perr := fmt.Fprintf(w, "problem   %s\n", p)
		err = errors.Join(err, perr)
	}
	return err
}
