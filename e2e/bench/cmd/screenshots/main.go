// Command screenshots takes pictures of every room of the dashboard: with a
// simulated fleet and without any host, light, dark and narrow.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/corral-fleet/corral/e2e/bench/pair"
	"github.com/corral-fleet/corral/e2e/bench/program"
	"github.com/corral-fleet/corral/e2e/bench/stage"
	"github.com/corral-fleet/corral/e2e/bench/storm"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

func main() { os.Exit(program.Main("screenshots", run)) }

// What is simulated: enough to fill the rooms, and little enough to see each host.
const (
	hosts = 12
	gpus  = 4
)

// options are what the command line asks for.
type options struct {
	controlPlane, scripts, browser, out string
}

// run is the program.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	st, err := stage.New()
	if err != nil {
		return err
	}
	defer func() { err = st.Close(err) }()
	var running [2]*pair.ControlPlane
	for i, name := range []string{"full", "empty"} {
		if running[i], err = pair.StartControlPlane(ctx, o.controlPlane, st.Path(name)); err != nil {
			return err
		}
		st.Add(running[i].Stop)
	}
	full, empty := running[0], running[1]
	stop, err := storm.Start(ctx, storm.Options{
		Address: full.Address(), Token: full.Token, Hosts: hosts, GPUsPerHost: gpus, Models: storm.MaxModels,
	})
	if err != nil {
		return err
	}
	st.Add(stop)
	file, err := model(st.Path("model.gguf"))
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "node", "screenshots.js")
	cmd.Dir, cmd.Stdout, cmd.Stderr = o.scripts, stdout, stderr
	cmd.Env = append(os.Environ(), "CORRAL_BROWSER="+o.browser, "CORRAL_PICTURES="+o.out, "CORRAL_GGUF="+file,
		"CORRAL_URL="+full.URL, "CORRAL_ADMIN_KEY="+full.Key, "CORRAL_EMPTY_URL="+empty.URL, "CORRAL_EMPTY_ADMIN_KEY="+empty.Key)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("screenshots.js: %w", err)
	}
	return nil
}

// model makes a file of a small model, to be uploaded.
func model(path string) (_ string, err error) {
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return path, tinymodel.Write(f, tinymodel.Options{})
}

func parseOptions(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("screenshots", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.controlPlane, "controlplane", "bin/corral-controlplane", "`path` of corral-controlplane")
	flags.StringVar(&o.scripts, "scripts", "e2e/dashboard", "`folder` of screenshots.js, with its modules installed")
	flags.StringVar(&o.browser, "browser", "chromium", "Chromium's `program`")
	flags.StringVar(&o.out, "out", "docs/images", "`folder` for the pictures")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, errors.New("there are no arguments")
	}
	if o.out, err = filepath.Abs(o.out); err != nil {
		return o, err
	}
	o.browser, err = exec.LookPath(o.browser)
	return o, err
}
