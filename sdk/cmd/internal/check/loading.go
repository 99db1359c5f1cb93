package check

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/loader/loadertest"
	"github.com/corral-fleet/corral/sdk/storage/storagetest"
)

// inspectMemory is how much more memory it may take to look at everything in the corpus.
const inspectMemory = 3 * loader.MaxReadBytes

func loadingChecks() []processCheck {
	return []processCheck{
		{id: "PL-LEAK-001", kind: loaderKind, sentence: "A thousand calls leave no files open.", try: leaksNothingLooking},
		{id: "PL-LOAD-001", kind: loaderKind, sentence: "64 calls at once are served.", try: looksAtMany},
		{id: "PL-MEMORY-002", kind: loaderKind, sentence: "However files were made, to look at them takes no more than 192 MiB of memory.", try: takesLittle},
	}
}

// samples returns what a loader is tried on: the author's files, and the corpus.
func (s *subject) samples(ctx context.Context, l loader.Loader) ([]loadertest.Sample, error) {
	corpus := loadertest.Corpus()
	if s.Samples == "" {
		return corpus, nil
	}
	own, err := loadertest.ReadSamples(s.Samples, "")
	if err != nil {
		return nil, err
	}
	format := ""
	for i := 0; i < len(own) && format == ""; i++ {
		if own[i].Bad != "" {
			continue
		}
		files, err := loader.Heads(ctx, own[i].Files)
		if err != nil {
			return nil, err
		}
		g, err := l.Probe(ctx, files)
		if err != nil {
			return nil, err
		}
		format = g.Format
	}
	if format == "" {
		return nil, fault.New(fault.Invalid, "the plugin takes none of the good samples in %s for one of its own", s.Samples).On(fault.Plugin)
	}
	for i := range own {
		own[i].Format = format
	}
	return append(own, corpus...), nil
}

// tryLoader runs a check of the loader.
func (s *subject) tryLoader(ctx context.Context, l loader.Loader, c loadertest.Check, samples []loadertest.Sample) storagetest.Result {
	limited, cancel := context.WithTimeout(ctx, s.limits.storage)
	defer cancel()
	came := c.Try(limited, l, samples)
	r := storagetest.Result{Verdict: storagetest.Passed, Faults: came.Faults, Took: came.Took}
	if !came.Passed() {
		r.Verdict, r.Unanswered = storagetest.Failed, storagetest.OutOfTime(limited)
	}
	return r
}

// refused reports whether files were refused as they should be.
func refused(err error) error {
	switch fault.KindOf(err) {
	case fault.Corrupt, fault.Invalid, fault.NotFound, fault.TooLarge, fault.NotImplemented, fault.Conflict:
		return nil
	}
	return fmt.Errorf("what is nothing is not refused: %w", errOr(err))
}

var nothing = loader.Bytes(map[string][]byte{"st/x": []byte("nothing that anybody knows")})

func leaksNothingLooking(ctx context.Context, s *subject) error {
	return s.withLoader(ctx, func(p *host.Process, l *host.Loader) error {
		before, err := openFiles(p.PID())
		if err != nil {
			return err
		}
		for range leakCalls {
			_, err := l.Inspect(ctx, nothing)
			if err := errors.Join(refused(err), loaderInstance{l}.ask(ctx)); err != nil {
				return err
			}
		}
		return settles(ctx, p.PID(), before)
	})
}

func looksAtMany(ctx context.Context, s *subject) error {
	return s.withLoader(ctx, func(_ *host.Process, l *host.Loader) error {
		errs := make([]error, callsAtOnce)
		var calling sync.WaitGroup
		for i := range callsAtOnce {
			calling.Go(func() {
				for range 5 {
					_, err := l.Inspect(ctx, nothing)
					errs[i] = errors.Join(errs[i], refused(err), loaderInstance{l}.ask(ctx))
				}
			})
		}
		calling.Wait()
		return errors.Join(errs...)
	})
}

func takesLittle(ctx context.Context, s *subject) error {
	return s.withLoader(ctx, func(p *host.Process, l *host.Loader) error {
		samples, err := s.samples(ctx, l)
		if err != nil {
			return err
		}
		before := memoryPeak(p.PID())
		for _, one := range samples {
			// What comes of it is for other checks.
			if _, err := l.Inspect(ctx, one.Files); fault.KindOf(err) == fault.Unavailable {
				return fmt.Errorf("%s: %w", one.Name, err)
			}
		}
		if more := memoryPeak(p.PID()) - before; more > inspectMemory {
			return fmt.Errorf("it took %d MiB more memory to look at %d models", more>>20, len(samples))
		}
		return nil
	})
}
