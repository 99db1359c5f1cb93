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

// Options say what is checked and how.
type Options struct {
	Plugin  string // its executable
	Config  string // file with the configuration of an instance; "" is an empty one
	JUnit   string // file to write the results to; "" is none
	JSON    bool   // print the results as JSON
	Verbose bool   // show what the plugin logs
	Soak    bool   // run the checks as well that take long
	List    bool   // print what the checks are, and run none
	Samples string // folder with files for a loader; "" is none
	Objects string // folder with what a storage has that can only be read; "" is none
	Env     []string
	Only    *regexp.Regexp // the ids of the checks to run; nil is all

	limits limits
}

// runs reports whether a check is to be run.
func (o *Options) runs(id string) bool { return o.Only == nil || o.Only.MatchString(id) }

const usage = `Starts the plugin as Corral does and checks whether it keeps its contract. What the
checks store is under keys that begin with "st/"; anything there before is deleted. A
storage that can only be read is tried on objects that it is known to have. A loader is
tried on a corpus of files, and on those of its author.

Exit status: 0 when it keeps the contract, 1 when it does not, 2 when it could not be
checked because of the command line or the configuration.

Usage:
  %s [flags]

Flags:
`

// Parse reads a command line; line is how it is called. Where only help is
// asked for, which is printed, it returns nil.
func Parse(line string, args []string, stderr io.Writer) (*Options, error) {
	o := Options{limits: defaultLimits()}
	flags := pflag.NewFlagSet(line, pflag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprintf(stderr, usage+"%s", line, flags.FlagUsages()) }
	flags.StringVarP(&o.Config, "config", "c", "", "YAML `file` with the configuration of an instance")
	flags.StringVar(&o.Samples, "samples", "", "`folder` with samples for a loader: \"good\" and \"bad\" have a folder for each, with its files")
	flags.StringVar(&o.Objects, "objects", "", "`folder` with objects that a storage has which can only be read, each in a file that is named as its key")
	flags.StringVar(&o.JUnit, "junit", "", "`file` to write the results to, as JUnit's XML")
	flags.BoolVar(&o.JSON, "json", false, "print the results as JSON")
	flags.BoolVarP(&o.Verbose, "verbose", "v", false, "show what the plugin logs")
	flags.BoolVar(&o.List, "list", false, "print the ids of the checks with their sentences of the contract, and run none")
	flags.BoolVar(&o.Soak, "soak", false, "run the checks as well that take long")
	flags.StringArrayVar(&o.Env, "env", nil, "`NAME=VALUE` that the plugin has in its environment, which is empty otherwise")
	only := flags.String("run", "", "run only the checks whose ids match this `expression`")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return nil, nil
		}
		return nil, program.Usage(err)
	}
	if o.List {
		return &o, nil
	}
	if flags.NArg() != 1 {
		flags.Usage()
		return nil, program.Usage(errors.New("name one plugin"))
	}
	if *only != "" {
		expression, err := regexp.Compile(*only)
		if err != nil {
			return nil, program.Usage(err)
		}
		o.Only = expression
	}
	path, err := filepath.Abs(flags.Arg(0))
	o.Plugin = path
	return &o, err
}

// Command is plugincheck.
func Command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := Parse("plugincheck PLUGIN", args, stderr)
	if err != nil || o == nil {
		return err
	}
	return Run(ctx, *o, stdout, stderr)
}

// Run checks a plugin and publishes what came of it. It fails where the plugin does.
func Run(ctx context.Context, o Options, stdout, stderr io.Writer) error {
	if o.List {
		return list(stdout)
	}
	report, err := run(ctx, o, stderr)
	if err != nil {
		return err
	}
	if err := report.publish(o, stdout); err != nil {
		return err
	}
	if bad := report.bad(); bad > 0 {
		failed := fault.New(fault.Invalid, "%d of %d checks failed", bad, len(report.Results))
		if report.Stopped {
			failed = fault.New(fault.Timeout, "%d of %d checks failed, and no more were tried: the plugin does not answer", bad, len(report.Results))
		}
		return failed.On(fault.Plugin)
	}
	return nil
}

// run runs all checks.
func run(ctx context.Context, o Options, stderr io.Writer) (report *Report, err error) {
	digest, err := host.Digest(o.Plugin)
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
	if o.Verbose {
		out = io.MultiWriter(heard, stderr)
	}
	s := &subject{
		Options: o, heard: heard, limits: o.limits,
		program: host.Program{
			Path: o.Plugin, SHA256: digest, RunDir: dir, Env: o.Env,
			Log: hclog.New(&hclog.LoggerOptions{Name: "plugin", Output: out, Level: level}),
		},
	}
	return s.check(ctx)
}
