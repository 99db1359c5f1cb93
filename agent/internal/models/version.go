package models

import (
	"context"

	"golang.org/x/mod/semver"

	"github.com/corral-fleet/corral/sdk/fault"
)

// oldestOllama is the oldest that is given models: older ones read beyond the end of
// crafted files (CVE-2024-39720, CVE-2024-12055).
const oldestOllama = "0.5.0"

// version returns the version of an Ollama that can take the model, as "v0.17.4".
func (e *Executor) version(ctx context.Context, requires string) (string, error) {
	said, err := e.ollama.Version(ctx)
	if err != nil {
		return "", err
	}
	v := "v" + said
	switch {
	case !semver.IsValid(v) || v == "v0.0.0": // built by somebody
		return v, nil
	case semver.Compare(v, "v"+oldestOllama) < 0:
		return "", fault.New(fault.Conflict, "Ollama on this host is %s, which is too old to be given models: it takes %s or newer", said, oldestOllama).On(fault.Ollama)
	case semver.IsValid("v"+requires) && semver.Compare(v, "v"+requires) < 0:
		return "", fault.New(fault.Conflict, "the model needs Ollama %s or newer, and this host has %s", requires, said).On(fault.Ollama)
	}
	return v, nil
}
