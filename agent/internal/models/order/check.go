package order

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// The most that a recipe may have.
const (
	maxLayers = 256
	maxParts  = 4096 // of one layer
)

// Check says what is wrong with a job before anything is done for it; fault.Invalid, or
// fault.NotImplemented for a kind that isn't known here.
func Check(job *work.Job) error {
	switch job.Kind {
	case work.Collect:
		return nil
	case work.Remove, work.Load:
	default:
		return fault.New(fault.NotImplemented, "this agent does not know the job %q; a newer one may", job.Kind)
	}
	if err := checkName(job.Model); err != nil {
		return err
	}
	if job.Kind == work.Load {
		return checkRecipe(job)
	}
	return nil
}

// checkRecipe says what is wrong with a recipe and its sources.
func checkRecipe(job *work.Job) error {
	r := job.Recipe
	if r == nil || len(r.Layers) == 0 && r.From == "" {
		return fault.New(fault.Invalid, "the job has no recipe")
	}
	if len(r.Layers) > maxLayers {
		return fault.New(fault.Invalid, "the recipe has %d layers, over %d", len(r.Layers), maxLayers)
	}
	for _, l := range r.Layers {
		if err := checkDigest(l.SHA256); err != nil {
			return err
		}
		if len(l.Parts) > maxParts {
			return fault.New(fault.Invalid, "a layer of the recipe has %d parts, over %d", len(l.Parts), maxParts)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(job.Sources)) {
		if s := job.Sources[name]; s.SizeBytes <= 0 {
			return fault.New(fault.Invalid, "nothing says how large %q is", name)
		}
	}
	return nil
}

// checkDigest says whether a digest can be one.
func checkDigest(digest string) error {
	b, err := hex.DecodeString(digest)
	if digest != "" && (err != nil || len(b) != sha256.Size || strings.ToLower(digest) != digest) {
		return fault.New(fault.Invalid, "%q is no sha256 in hexadecimal", digest)
	}
	return nil
}
