// Command corral-plugin-shim makes a plugin of a program in any language that serves
// plain gRPC on a unix socket: it does the handshake, TLS and the lifeline for it.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/corral-fleet/corral/sdk/cmd/corral-plugin-shim/internal/parcel"
	"github.com/corral-fleet/corral/sdk/cmd/corral-plugin-shim/internal/shim"
	"github.com/corral-fleet/corral/sdk/program"
)

// version is set when the program is built.
var version = "dev"

func main() {
	executable, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, "corral-plugin-shim:", err)
		os.Exit(program.ExitFailed)
	}
	switch p, err := parcel.Open(executable); {
	case err != nil:
		fmt.Fprintln(os.Stderr, "corral-plugin-shim:", err)
		os.Exit(program.ExitFailed)
	case p != nil:
		os.Exit(shim.Main(*p, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(program.Run("corral-plugin-shim", os.Stderr, func(context.Context) error {
		return run(executable, os.Args[1:], os.Stdout, os.Stderr)
	}))
}
