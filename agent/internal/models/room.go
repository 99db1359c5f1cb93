package models

import (
	"fmt"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

// What of a disk stays free: a disk that is full to the last byte fails others.
const (
	reserveBytes = 1 << 30
	reserveShare = 20 // of the disk, where that is less: a twentieth
)

// checkRoom says whether so many more bytes fit on the disk of the models. Where the
// folder isn't known, Ollama says so itself.
func (e *Executor) checkRoom(needBytes int64, what string) error {
	if e.store == nil || needBytes <= 0 {
		return nil
	}
	room, err := e.store.Room()
	if err != nil {
		e.log.Warn("the space for models is not known", "error", err)
		return nil
	}
	free := room.FreeBytes - min(reserveBytes, room.TotalBytes/reserveShare)
	if needBytes <= free {
		return nil
	}
	return fault.New(fault.NoSpace, "%s takes up to %s on this host's disk, and %s are free there, of which %s stay so",
		what, size(needBytes), size(room.FreeBytes), size(room.FreeBytes-free)).On(fault.Host)
}

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d bytes", n)
}

// keepsAgain is the first version of which it is known that it keeps a GGUF as it is, after
// some that did not.
const keepsAgain = "v0.34.2"

// createBytes is the most that creating takes beside the files themselves, which are of
// sourceBytes together. Each step of Ollama's writes its own file before the one before
// goes.
func createBytes(recipe *loader.Recipe, sourceBytes int64, version string) int64 {
	rewrites := semver.Compare(version, "v0.30.0") >= 0 // each GGUF, to validate it
	keeps := semver.Compare(version, keepsAgain) >= 0 && semver.Compare(version, "v99.0.0") < 0
	quantised := quantisedBytes(recipe.Quantize, sourceBytes)
	switch {
	case recipe.Convert && recipe.Quantize != "":
		return max(2*sourceBytes, sourceBytes+2*quantised)
	case recipe.Convert && rewrites:
		return 3 * sourceBytes
	case recipe.Convert:
		return 2 * sourceBytes
	case recipe.Quantize != "":
		return 2 * quantised
	case rewrites && !keeps:
		return 2 * sourceBytes
	}
	return 0
}

// quantisedBytes is the size of weights of 16 bits in another format, rounded up.
func quantisedBytes(format string, sourceBytes int64) int64 {
	percent := int64(100)
	switch f := strings.ToLower(format); {
	case f == "f32":
		percent = 200
	case strings.HasPrefix(f, "q8"):
		percent = 55
	case strings.HasPrefix(f, "q4"):
		percent = 35
	}
	return sourceBytes/100*percent + sourceBytes%100
}
