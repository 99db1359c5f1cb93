package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/corral-fleet/corral/sdk/cmd/corral-plugin/internal/dev"
	"github.com/corral-fleet/corral/sdk/cmd/corral-plugin/internal/gotool"
	"github.com/corral-fleet/corral/sdk/cmd/corral-plugin/internal/scaffold"
	"github.com/corral-fleet/corral/sdk/cmd/internal/check"
	"github.com/corral-fleet/corral/sdk/program"
)

const usage = `For authors of plugins.

Usage:
  corral-plugin [command]

Commands:
  new KIND NAME   write a plugin that works, to begin with: a storage or a loader
  dev DIR         build it, run it as Corral does, again with each change
  test DIR        check whether it keeps its contract
  version         print the version

DIR is the folder of a module in Go. Where it is a file, that is a plugin's program,
in whatever language it was written. "corral-plugin COMMAND --help" tells the flags.
`

// run is the program.
func run(ctx context.Context, args, environ []string, stdin *os.File, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return program.Usage(errors.New("name a command"))
	}
	command, args := args[0], args[1:]
	switch command {
	case "new":
		return create(ctx, args, environ, stdout, stderr)
	case "dev":
		return develop(ctx, args, stdin, stdout, stderr)
	case "test":
		return test(ctx, args, stdout, stderr)
	case "version", "--version":
		fmt.Fprintln(stdout, version)
		return nil
	case "help", "--help", "-h":
		fmt.Fprint(stdout, usage)
		return nil
	}
	fmt.Fprint(stderr, usage)
	return program.Usage(fmt.Errorf("there is no command %q", command))
}

// newFlags returns the flags of a command, with what it is for.
func newFlags(line, about string, stderr io.Writer) *pflag.FlagSet {
	flags := pflag.NewFlagSet(line, pflag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintf(stderr, "%s\n\nUsage:\n  corral-plugin %s [flags]\n\nFlags:\n%s", about, line, flags.FlagUsages())
	}
	return flags
}

// parse reads flags and says whether that was all: help was asked for, or they are
// wrong.
func parse(flags *pflag.FlagSet, args []string) (done bool, err error) {
	switch err := flags.Parse(args); {
	case errors.Is(err, pflag.ErrHelp):
		return true, nil
	case err != nil:
		return true, program.Usage(err)
	}
	return false, nil
}

func create(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	flags := newFlags("new KIND NAME", "Writes a plugin that works, and keeps its contract, to begin with: a storage or a loader.", stderr)
	module := flags.String("module", "", "`path` of its module; corral-plugin-KIND-NAME where that is left out")
	dir := flags.String("dir", "", "`folder` to write it to, which is not to be there yet; ./corral-plugin-KIND-NAME where that is left out")
	sdk := flags.String("sdk", "", "`folder` of the SDK; the one that was installed with this program where that is left out")
	if done, err := parse(flags, args); done {
		return err
	}
	if flags.NArg() != 2 {
		flags.Usage()
		return program.Usage(errors.New(`say "new storage" or "new loader", and a name`))
	}
	p := scaffold.Plugin{Kind: flags.Arg(0), Name: flags.Arg(1), Module: *module, Dir: *dir}
	if err := p.Complete(); err != nil {
		return program.Usage(err)
	}
	executable, err := os.Executable()
	if err != nil {
		return err
	}
	p.SDK, err = scaffold.FindSDK(*sdk, environ, executable)
	if err != nil {
		return program.Usage(err)
	}
	if err := p.Write(); err != nil {
		return err
	}
	if err := gotool.Tidy(ctx, p.Dir); err != nil {
		return fmt.Errorf("%s was written, but it lacks its dependencies: %w", p.Dir, err)
	}
	shown := p.Dir
	if *dir == "" {
		shown = filepath.Base(p.Dir) // in the folder where one is
	}
	with := map[string]string{"storage": " -c config.yaml", "loader": " --samples testdata"}[p.Kind]
	fmt.Fprintf(stdout, "%s is a %s plugin that works. Next:\n\n    cd %s\n    corral-plugin test .%s\n    corral-plugin dev .%s\n", shown, p.Kind, shown, with, strings.TrimSuffix(with, " --samples testdata"))
	return nil
}

func develop(ctx context.Context, args []string, stdin *os.File, stdout, stderr io.Writer) error {
	flags := newFlags("dev DIR", "Builds a plugin, runs it as Corral does, again with each change, and has a shell to try it.", stderr)
	o := dev.Options{In: stdin, Out: stdout}
	flags.StringVarP(&o.Config, "config", "c", "", "YAML `file` with the configuration of an instance")
	flags.StringArrayVar(&o.Env, "env", nil, "`NAME=VALUE` that the plugin has in its environment, which is empty otherwise")
	level := flags.String("log-level", "info", "what is shown of the plugin's log: trace, debug, info, warn or error")
	format := flags.String("log-format", "text", "text or json")
	if done, err := parse(flags, args); done {
		return err
	}
	if flags.NArg() != 1 {
		flags.Usage()
		return program.Usage(errors.New("name the folder of one plugin"))
	}
	if !strings.Contains(" trace debug info warn error ", " "+*level+" ") || *format != "text" && *format != "json" {
		return program.Usage(fmt.Errorf("there is no log level %q or no log format %q", *level, *format))
	}
	o.Log = program.NewLogger("plugin", *level, *format, stderr)
	info, err := stdin.Stat()
	o.Prompt = err == nil && info.Mode()&os.ModeCharDevice != 0
	target, err := filepath.Abs(flags.Arg(0))
	if err != nil {
		return err
	}
	if o.Target, err = gotool.At(target); err != nil {
		return program.Usage(err)
	}
	return dev.Run(ctx, o)
}

// test is plugincheck, which builds the plugin first where it is told its folder.
func test(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := check.Parse("corral-plugin test DIR", args, stderr)
	if err != nil || o == nil {
		return err
	}
	if o.List {
		return check.Run(ctx, *o, stdout, stderr)
	}
	target, err := gotool.At(o.Plugin)
	if err != nil {
		return program.Usage(err)
	}
	dir, err := os.MkdirTemp("", "test")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if o.Plugin, err = target.Build(ctx, filepath.Join(dir, "plugin")); err != nil {
		return err
	}
	return check.Run(ctx, *o, stdout, stderr)
}
