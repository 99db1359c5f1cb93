// Package check runs the conformance checks against a plugin's program.
package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/pflag"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/program"
)

// options are those of the command line.
type options struct {
	plugin, config string
	junit          string
	asJSON         bool
	verbose        bool
	env            []string
	only           *regexp.Regexp // the ids of the checks to run; nil is all
}

// runs reports whether a check is to be run.
func (o options) runs(id string) bool { return o.only == nil || o.only.MatchString(id) }

const usage = `Usage: plugincheck PLUGIN [flags]

Starts the plugin as Corral does and checks whether it keeps its contract. What the
checks store is under keys that begin with "st/"; anything there before is deleted.

`

// Command is the program. It fails where the plugin does.
func Command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	flags := pflag.NewFlagSet("plugincheck", pflag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, usage+flags.FlagUsages()) }
	flags.StringVarP(&o.config, "config", "c", "", "YAML `file` with the configuration of an instance")
	flags.StringVar(&o.junit, "junit", "", "`file` to write the results to, as JUnit's XML")
	flags.BoolVar(&o.asJSON, "json", false, "print the results as JSON")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "show what the plugin logs")
	flags.StringArrayVar(&o.env, "env", nil, "`NAME=VALUE` that the plugin has in its environment, which is empty otherwise")
	only := flags.String("run", "", "run only the checks whose ids match this `expression`")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return nil
		}
		return program.Usage(err)
	}
	if flags.NArg() != 1 {
		flags.Usage()
		return program.Usage(errors.New("name one plugin"))
	}
	if *only != "" {
		expression, err := regexp.Compile(*only)
		if err != nil {
			return program.Usage(err)
		}
		o.only = expression
	}
	path, err := filepath.Abs(flags.Arg(0))
	if err != nil {
		return err
	}
	o.plugin = path
	report, err := run(ctx, o, stderr)
	if err != nil {
		return err
	}
	if err := report.publish(o, stdout); err != nil {
		return err
	}
	if bad := report.bad(); bad > 0 {
		return fault.New(fault.Invalid, "%d of %d checks failed", bad, len(report.Results))
	}
	return nil
}

// run runs all checks.
func run(ctx context.Context, o options, stderr io.Writer) (report *Report, err error) {
	digest, err := host.Digest(o.plugin)
	if err != nil {
		return nil, program.Usage(err)
	}
	dir, err := os.MkdirTemp("", "check")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	heard := &heard{}
	level, out := hclog.Trace, io.Writer(heard)
	if o.verbose {
		out = io.MultiWriter(heard, stderr)
	}
	s := &subject{
		options: o, heard: heard,
		program: host.Program{
			Path: o.plugin, SHA256: digest, RunDir: dir, Env: o.env,
			Log: hclog.New(&hclog.LoggerOptions{Name: "plugin", Output: out, Level: level}),
		},
	}
	return s.check(ctx)
}
