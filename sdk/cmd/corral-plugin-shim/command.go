package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"github.com/corral-fleet/corral/sdk/cmd/corral-plugin-shim/internal/parcel"
	"github.com/corral-fleet/corral/sdk/program"
)

const usage = `Writes a plugin: a copy of this program that starts COMMAND in a folder and passes on
to it what the host asks. The command serves plain gRPC on the unix socket that
CORRAL_PLUGIN_SOCKET names, and ends when its stdin does. The plugin starts it only
while the files in the folder are what they are now, so that the digest of the plugin
says what is run; where the folder is from the plugin has to stay the same.

Usage:
  corral-plugin-shim pack [flags] [-- COMMAND [ARGUMENT]...]

Flags:
`

// run is the program as authors use it.
func run(executable string, args []string, stdout, stderr io.Writer) error {
	flags := pflag.NewFlagSet("corral-plugin-shim", pflag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.SetInterspersed(true)
	flags.Usage = func() { fmt.Fprint(stderr, usage+flags.FlagUsages()) }
	output := flags.StringP("output", "o", "", "`file` to write the plugin to")
	dir := flags.String("dir", ".", "`folder` of the command's files, in which it is started")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return nil
		}
		return program.Usage(err)
	}
	switch {
	case flags.NArg() == 1 && flags.Arg(0) == "version":
		fmt.Fprintln(stdout, version)
		return nil
	case flags.NArg() < 2 || flags.Arg(0) != "pack":
		flags.Usage()
		return program.Usage(errors.New(`say "pack" and, behind "--", a command`))
	case *output == "":
		return program.Usage(errors.New("say with --output where the plugin is written to"))
	}
	if err := parcel.Pack(executable, *output, *dir, flags.Args()[1:]); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s is a plugin\n", *output)
	return nil
}
