package config_test

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/corral-fleet/corral/sdk/config"
)

type watch struct {
	Interval time.Duration `yaml:"interval" help:"time between two looks"`
	Port     int           `yaml:"port" help:"port to look at"`
	Token    config.Secret `yaml:"token" help:"proves who looks"`
}

func (w *watch) Validate(report config.Report) {
	if w.Port < 1 || w.Port > 65535 {
		report("port", "%d is not a port (1 to 65535)", w.Port)
	}
}

func ExampleLoad() {
	settings := watch{Interval: time.Second, Port: 80}
	flags := pflag.NewFlagSet("watch", pflag.ContinueOnError)
	config.BindFlags(flags, &settings)
	if err := flags.Parse([]string{"--interval", "1m"}); err != nil {
		fmt.Println(err)
	}
	environ := []string{"WATCH_TOKEN=hush", "WATCH_PORT=8080"}
	origins, err := config.Load(&settings, config.Source{Prefix: "WATCH", Environ: environ, Flags: flags})
	if err != nil {
		fmt.Println(err)
	}
	if err := config.Render(os.Stdout, &settings, origins); err != nil {
		fmt.Println(err)
	}
	// Output:
	// interval: 1m0s # --interval
	// port: 8080 # WATCH_PORT
	// token: '[redacted]' # WATCH_TOKEN
}

func ExampleFaults() {
	settings := watch{}
	environ := []string{"WATCH_INTERVAL=often", "WATCH_PORT=70000", "WATCH_PROT=1"}
	_, err := config.Load(&settings, config.Source{Prefix: "WATCH", Environ: environ})
	fmt.Println(err)
	// Output:
	// WATCH_INTERVAL: interval: "often" is not a duration, such as 30s or 1h30m
	// WATCH_PORT: port: 70000 is not a port (1 to 65535)
	// WATCH_PROT: unknown variable
}
