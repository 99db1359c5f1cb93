package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/loader/loadertest"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/storagetest"
)

// limits are how long a plugin may take; tests shorten them.
type limits struct {
	call    time.Duration // for what is asked of it before the checks, and between them
	storage time.Duration // for a check of its storage or its loader
	process time.Duration // for a check of its process
}

func defaultLimits() limits {
	return limits{call: 30 * time.Second, storage: storagetest.Timeout, process: time.Minute}
}

// maxUnanswered is after how many checks in a row that were not answered no more are
// tried: each takes all of its time.
const maxUnanswered = 3

// check runs all checks. An error is that they could not be run.
func (s *subject) check(ctx context.Context) (*Report, error) {
	running, err := host.Start(ctx, s.program)
	if err != nil {
		return nil, err
	}
	defer running.Stop()
	i, err := s.open(ctx, running)
	if err != nil {
		return nil, err
	}
	on := s.checkStorage
	if s.description.Kind == loaderKind {
		on = s.checkLoader
	}
	if err := on(ctx, i); err != nil {
		return nil, err
	}
	if s.report.Stopped {
		return &s.report, nil
	}
	for _, c := range processChecks() {
		if !s.runs(c.id) || c.soak && !s.Soak || c.kind != "" && c.kind != s.description.Kind {
			continue
		}
		r := s.tryProcess(ctx, c)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !s.goesOn(c.id, c.sentence, r) {
			break
		}
	}
	return &s.report, nil
}

// checkStorage runs the checks of a storage.
func (s *subject) checkStorage(ctx context.Context, i instance) error {
	b := i.(storageInstance).Storage
	for _, c := range storagetest.Checks() {
		if !s.runs(c.ID) {
			continue
		}
		r, err := s.tryStorage(ctx, b, c)
		if err != nil {
			return err
		}
		if !s.goesOn(c.ID, c.Sentence, r) {
			return nil
		}
	}
	return s.clear(ctx, b)
}

// checkLoader runs the checks of a loader.
func (s *subject) checkLoader(ctx context.Context, i instance) error {
	l := i.(loaderInstance).Loader
	samples, err := s.samples(ctx, l)
	if err != nil {
		return err
	}
	for _, c := range loadertest.Checks() {
		if !s.runs(c.ID) {
			continue
		}
		r := s.tryLoader(ctx, l, c, samples)
		if err := ctx.Err(); err != nil {
			return err
		}
		if !s.goesOn(c.ID, c.Sentence, r) {
			return nil
		}
	}
	return nil
}

// open learns what the plugin is, and opens the instance that is checked.
func (s *subject) open(ctx context.Context, running *host.Process) (instance, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limits.call)
	defer cancel()
	if err := s.learn(ctx, running); err != nil {
		return nil, err
	}
	s.report = Report{Plugin: s.description.Name, Version: s.description.Version, Kind: s.description.Kind, SHA256: s.program.SHA256}
	if s.description.Kind != storageKind && s.description.Kind != loaderKind {
		return nil, fault.New(fault.NotImplemented, "there are no checks for a plugin of the kind %q", s.description.Kind)
	}
	switch faults, err := running.Check(ctx, s.config, false); {
	case err != nil:
		return nil, fmt.Errorf("check the configuration: %w", err)
	case len(faults) > 0:
		return nil, &config.Faults{List: faults}
	}
	i, err := s.instance(ctx, running, s.config)
	if err != nil {
		return nil, fmt.Errorf("open an instance of the configuration: %w", err)
	}
	if b, ok := i.(storageInstance); ok {
		s.report.Capabilities = b.Capabilities().String()
		if s.onlyReads = b.Capabilities()&storage.OnlyReads != 0; s.onlyReads {
			return i, s.learnObjects()
		}
	}
	return i, nil
}

// goesOn notes what came of a check, and reports whether there is to be another one.
func (s *subject) goesOn(id, sentence string, r storagetest.Result) bool {
	s.unanswered++
	if !r.Unanswered {
		s.unanswered = 0
	}
	if s.unanswered == maxUnanswered {
		s.report.Stopped = true
		r.Faults = append(r.Faults, fmt.Sprintf("%d checks in a row were not answered: no more are tried", maxUnanswered))
	}
	s.report.add(id, sentence, r)
	return !s.report.Stopped
}

// tryStorage runs a check of the storage, once what the one before has left is deleted.
// An error is that it could not be run.
func (s *subject) tryStorage(ctx context.Context, b storage.Backend, c storagetest.Check) (storagetest.Result, error) {
	began := time.Now()
	switch err := s.clear(ctx, b); {
	case fault.KindOf(err) == fault.Timeout:
		return storagetest.Result{Verdict: storagetest.Failed, Faults: faultsOf(err), Took: time.Since(began), Unanswered: true}, nil
	case err != nil:
		return storagetest.Result{}, err
	}
	limited, cancel := context.WithTimeout(ctx, s.limits.storage)
	defer cancel()
	return c.TryKnown(limited, b, s.known), ctx.Err()
}

// clear deletes what checks store.
func (s *subject) clear(ctx context.Context, b storage.Backend) error {
	if s.onlyReads {
		return nil // nothing was
	}
	within := func(what string, do func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(ctx, s.limits.call)
		defer cancel()
		if err := do(ctx); err != nil {
			return fmt.Errorf("%s what a check has left: %w", what, err)
		}
		return nil
	}
	var keys []string
	err := within("list", func(ctx context.Context) error {
		for info, err := range b.List(ctx, "st/") {
			if err != nil {
				return err
			}
			keys = append(keys, info.Key)
		}
		return nil
	})
	for _, key := range keys {
		if err == nil {
			err = within("delete", func(ctx context.Context) error { return b.Delete(ctx, key) })
		}
	}
	return err
}

// tryProcess runs a check of the process.
func (s *subject) tryProcess(ctx context.Context, c processCheck) storagetest.Result {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.within, s.limits.process))
	defer cancel()
	began := time.Now()
	r := storagetest.Result{Verdict: storagetest.Passed}
	if c.puts && s.onlyReads {
		r.Verdict = storagetest.NotDeclared
	} else if err := c.try(ctx, s); errors.Is(err, errNotDeclared) {
		r.Verdict = storagetest.NotDeclared
	} else if err != nil {
		r.Verdict, r.Faults, r.Unanswered = storagetest.Failed, faultsOf(err), storagetest.OutOfTime(ctx)
	}
	r.Took = time.Since(began)
	return r
}

// faultsOf is what an error says, line by line.
func faultsOf(err error) []string { return strings.Split(err.Error(), "\n") }
