// Package loadertest checks whether a loader keeps the contract of package loader. Each
// check stands for one sentence of it, and has an id that stays.
//
// A loader's whole test of the contract is
//
//	func TestContract(t *testing.T) {
//		loadertest.Run(t, func(t *testing.T) loader.Loader { … }, samples...)
//	}
//
// where samples are files in its format, good and bad ones. Those of [Corpus] are tried
// as well.
package loadertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/loader"
)

// Check is one sentence of the contract, and what shows whether a loader keeps it.
type Check struct {
	ID       string // such as LD-PLAN-003; never given to another sentence
	Sentence string // of the contract
	try      func(*trial)
}

// Checks returns all checks, those of a method beside each other.
func Checks() []Check {
	return slices.Concat(probeChecks, inspectChecks, readingChecks, planChecks, callChecks)
}

// checkTimeout is how long one check may take, and returnSoon how long what was
// cancelled may take to return.
const (
	checkTimeout = 2 * time.Minute
	returnSoon   = 5 * time.Second
)

// Result is what came of a check.
type Result struct {
	Faults []string // none is that it passed
	Took   time.Duration
}

// Passed reports whether the loader keeps the sentence.
func (r Result) Passed() bool { return len(r.Faults) == 0 }

// Try runs a check on a loader, with files to try it on.
func (c Check) Try(ctx context.Context, l loader.Loader, samples []Sample) Result {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	began := time.Now()
	t := &trial{Loader: l, ctx: ctx, samples: samples}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer t.recovered()
		c.try(t)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		select { // what keeps to the context ends now
		case <-ended:
		case <-time.After(returnSoon):
			return Result{Faults: []string{"the check hangs, though its context has ended"}, Took: time.Since(began)}
		}
	}
	return Result{Faults: t.faults, Took: time.Since(began)}
}

// Run runs all checks, each on a loader of its own from open.
func Run(t *testing.T, open func(t *testing.T) loader.Loader, samples ...Sample) {
	t.Helper()
	samples = append(samples, Corpus()...)
	for _, c := range Checks() {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			r := c.Try(t.Context(), open(t), samples)
			for _, f := range r.Faults {
				t.Error(f)
			}
			if !r.Passed() {
				t.Errorf("the contract says: %s", c.Sentence)
			}
		})
	}
}

// trial is one run of a check.
type trial struct {
	loader.Loader
	ctx     context.Context //nolint:containedctx // of the run, which it is
	samples []Sample
	faults  []string
}

// maxFaults is how many faults are told of one check: more are of the same cause.
const maxFaults = 10

// errorf notes that the loader is wrong.
func (t *trial) errorf(format string, args ...any) {
	if t.faults = append(t.faults, fmt.Sprintf(format, args...)); len(t.faults) >= maxFaults {
		runtime.Goexit()
	}
}

// fatalf notes that the loader is wrong, and ends the check.
func (t *trial) fatalf(format string, args ...any) {
	t.errorf(format, args...)
	runtime.Goexit()
}

func (t *trial) recovered() {
	if r := recover(); r != nil {
		t.faults = append(t.faults, fmt.Sprintf("it panics: %v\n%s", r, debug.Stack()))
	}
}

// difference returns how one value differs from another as JSON has them, "" for not at
// all.
func difference(want, got any) string {
	a, errA := json.Marshal(want)
	b, errB := json.Marshal(got)
	if err := errors.Join(errA, errB); err != nil {
		return err.Error()
	}
	if bytes.Equal(a, b) {
		return ""
	}
	at := 0
	for at < min(len(a), len(b)) && a[at] == b[at] {
		at++
	}
	const around = 60
	from := max(0, at-around)
	return fmt.Sprintf("%q where %q should be", b[from:min(len(b), at+around)], a[from:min(len(a), at+around)])
}
