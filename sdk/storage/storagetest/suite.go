// Package storagetest checks whether a storage backend keeps the contract of package
// storage. Each check stands for one sentence of it, and has an id that stays.
//
// A backend's whole test of the contract is
//
//	func TestContract(t *testing.T) {
//		storagetest.Run(t, func(t *testing.T) storage.Backend { … })
//	}
package storagetest

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/storage"
)

// Check is one sentence of the contract, and what shows whether a backend keeps it.
type Check struct {
	ID       string // such as ST-PUT-003; never given to another sentence
	Sentence string // of the contract
	// Needs are the capabilities without which the sentence says nothing.
	Needs  storage.Capabilities
	within time.Duration // how long it may take; 0 is [Timeout]
	reads  bool          // it puts nothing, so that it says something of what can only be read
	try    func(*trial)
}

// Known are objects that a storage which can only be read has: their bytes, by their
// keys.
type Known map[string][]byte

// Checks returns all checks, those of a method beside each other.
func Checks() []Check {
	var all []Check
	for _, group := range [][]Check{
		statChecks, knowingChecks, getChecks, readingChecks, putChecks, largeChecks, givingChecks, deleteChecks, deletingChecks, listChecks, listingChecks,
		keyChecks, namingChecks, cancelChecks, endingChecks, createChecks, copyChecks, comingChecks, pageChecks, pagingChecks, locateChecks, sweepChecks, presignChecks, factChecks, readOnlyChecks,
	} {
		all = append(all, group...)
	}
	return all
}

// Timeout is how long a check may take whose sentence has no bound: some send many
// objects, or large ones, to services that are slow.
const Timeout = 2 * time.Minute

// Verdict is what came of a check.
type Verdict string

// The verdicts.
const (
	Passed      Verdict = "passed"
	Failed      Verdict = "failed"
	NotDeclared Verdict = "not declared" // the backend does not say that it can, and cannot

	DeclaredButBroken  Verdict = "declared but broken"  // it says that it can
	WorksButUndeclared Verdict = "works but undeclared" // it can, and nobody will ask it to
)

// Bad reports whether a verdict is one against the backend.
func (v Verdict) Bad() bool { return v == Failed || v == DeclaredButBroken }

// Result is what came of a check, with what was wrong.
type Result struct {
	Verdict Verdict
	Faults  []string
	Took    time.Duration
	// Unanswered is that the check had not come to its end when its time had.
	Unanswered bool
}

// Try runs a check on a backend that nothing else uses, and that holds nothing under
// the keys that begin with "st/".
func (c Check) Try(ctx context.Context, b storage.Backend) Result { return c.TryKnown(ctx, b, nil) }

// TryKnown is Try for a backend that can only be read, and has these objects. Of such a
// one the checks say nothing that put something.
func (c Check) TryKnown(ctx context.Context, b storage.Backend, known Known) Result {
	can := storage.CapabilitiesOf(b)
	onlyReads, missing := can&storage.OnlyReads != 0, c.Needs&^can
	if onlyReads && (!c.reads || missing != 0) || missing&storage.OnlyReads != 0 {
		return Result{Verdict: NotDeclared}
	}
	if missing != 0 {
		r := c.attempt(ctx, claiming{b}, known)
		if r.Verdict == Passed {
			return Result{Verdict: WorksButUndeclared, Took: r.Took}
		}
		return Result{Verdict: NotDeclared, Unanswered: r.Unanswered}
	}
	r := c.attempt(ctx, b, known)
	if r.Verdict == Failed && c.Needs != 0 {
		r.Verdict = DeclaredButBroken
	}
	return r
}

// claiming is a backend that is taken at its methods, whatever it says it can.
type claiming struct{ storage.Backend }

func (c Check) attempt(ctx context.Context, b storage.Backend, known Known) Result {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.within, Timeout))
	defer cancel()
	began := time.Now()
	t := &trial{Backend: b, ctx: ctx, known: known}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer t.tidy()
		defer t.recovered()
		c.try(t)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		select { // what keeps to the context ends now
		case <-ended:
		case <-time.After(returnSoon):
			return Result{Verdict: Failed, Faults: []string{"the check hangs, though its context has ended"}, Took: time.Since(began), Unanswered: true}
		}
	}
	r := Result{Verdict: Passed, Faults: t.faults, Took: time.Since(began)}
	if len(r.Faults) > 0 {
		r.Verdict, r.Unanswered = Failed, OutOfTime(ctx)
	}
	return r
}

// OutOfTime reports whether a context's time is over. A plugin keeps the same time, and
// can have ended a call by it before the context of its caller has noticed.
func OutOfTime(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return ctx.Err() != nil || limited && !time.Now().Before(deadline)
}

// Run runs all checks, each on a backend of its own from open.
func Run(t *testing.T, open func(t *testing.T) storage.Backend) {
	t.Helper()
	RunKnown(t, nil, open)
}

// RunKnown is Run for a backend that can only be read, and has these objects.
func RunKnown(t *testing.T, known Known, open func(t *testing.T) storage.Backend) {
	t.Helper()
	for _, c := range Checks() {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			r := c.TryKnown(t.Context(), open(t), known)
			for _, f := range r.Faults {
				t.Error(f)
			}
			switch {
			case r.Verdict.Bad():
				t.Errorf("%s; the contract says: %s", r.Verdict, c.Sentence)
			case r.Verdict == WorksButUndeclared:
				t.Errorf("%s: %s", r.Verdict, c.Needs)
			case r.Verdict == NotDeclared:
				t.Skipf("%s: %s", r.Verdict, c.Needs)
			}
		})
	}
}

// trial is one run of a check.
type trial struct {
	storage.Backend
	ctx    context.Context //nolint:containedctx // of the run, which it is
	known  Known
	faults []string
	after  []func() // what the check has to have tidied up
}

// tidy does what the check has to have done at its end.
func (t *trial) tidy() {
	for _, do := range t.after {
		do()
	}
}

// errorf notes that the backend is wrong.
func (t *trial) errorf(format string, args ...any) {
	t.faults = append(t.faults, fmt.Sprintf(format, args...))
}

// fatalf notes that the backend is wrong, and ends the check.
func (t *trial) fatalf(format string, args ...any) {
	t.errorf(format, args...)
	runtime.Goexit()
}

func (t *trial) recovered() {
	if r := recover(); r != nil {
		t.errorf("it panics: %v\n%s", r, debug.Stack())
	}
}
