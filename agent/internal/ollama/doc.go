// Package ollama supervises one Ollama instance of a host by what it produces.
//
// An Ollama whose runner hangs still answers every question about itself, so
// its own word is not taken: what counts are the tokens of real requests, which
// the relay reports to a [Progress], and a probe of one token where nothing
// else shows that a loaded model still works.
//
// A [Supervisor] either runs an `ollama serve` of its own under a keeper
// process (package keeper), restarting it when it ends or no longer works, or
// it watches one that somebody else runs, and only tells. Each restart has a
// named cause, each cause an hourly budget; past it the instance is degraded
// and says why, since a restart that did not help ten times does harm.
package ollama
