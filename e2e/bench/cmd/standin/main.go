// Command standin serves a stand-in for Ollama that needs no model.
package main

import (
	"os"

	"github.com/corral-fleet/corral/e2e/bench/program"
	"github.com/corral-fleet/corral/e2e/bench/standin"
)

func main() { os.Exit(program.Main("standin", standin.Command)) }
