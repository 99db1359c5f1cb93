package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/storage"
)

// processCheck is one sentence of what a plugin's process has to be like.
type processCheck struct {
	id, sentence string
	kind         string        // of the plugins that it is for; "" is any
	puts         bool          // it puts something, and says nothing of what can only be read
	soak         bool          // it takes long, and is run where that is asked for
	within       time.Duration // how long it may take; 0 is as long as any
	try          func(ctx context.Context, s *subject) error
}

// Bounds of what the process may do.
const (
	endWithin = 5 * time.Second
	leakCalls = 1000
	leakFiles = 20
)

func processChecks() []processCheck {
	return slices.Concat(basicChecks(), configuringChecks(), loadingChecks(), enduringChecks())
}

func basicChecks() []processCheck {
	return []processCheck{
		{id: "PL-DESCRIBE-001", within: 15 * time.Second, sentence: "By hand, \"describe\" prints the same JSON each time, within two seconds, without any environment.", try: describes},
		{id: "PL-DESCRIBE-002", sentence: "What a plugin says of itself by hand and to its host is the same.", try: describesAlike},
		{id: "PL-CONFIG-001", sentence: "A field that the configuration does not have is refused, by its name.", try: refusesUnknown},
		{id: "PL-INSTANCE-001", sentence: "An instance that was closed is gone, and others are not.", try: closesOne},
		{id: "PL-SECRET-001", sentence: "No secret is logged, printed, or part of an error.", try: keepsSecrets},
		{id: "PL-CRASH-001", kind: storageKind, puts: true, sentence: "An upload whose process is killed leaves nothing to see, and what was there is whole.", try: leavesNothing},
		{id: "PL-FREEZE-001", sentence: "A process that was frozen serves on when it is not any more.", try: thaws},
		{id: "PL-END-001", sentence: "A plugin ends by itself, with status 0, when its host lets go of it.", try: ends},
		{id: "PL-LEAK-001", kind: storageKind, sentence: "A thousand calls leave no files open.", try: leaksNothing},
	}
}

func closesOne(ctx context.Context, s *subject) error {
	return s.with(ctx, func(p *host.Process, a instance) error {
		b, err := s.instance(ctx, p, s.config)
		if err != nil {
			return err
		}
		if err := a.CloseInstance(ctx); err != nil {
			return err
		}
		if err := a.call(ctx); fault.KindOf(err) != fault.NotFound {
			return fmt.Errorf("the one that was closed: %w", errOr(err))
		}
		return b.Check(ctx)
	})
}

// errOr is an error that there should have been.
func errOr(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}

func ends(ctx context.Context, s *subject) error {
	var exit host.Exit
	began := time.Now()
	err := s.with(ctx, func(p *host.Process, _ instance) error {
		began = time.Now()
		p.Stop()
		exit = p.Exit()
		return nil
	})
	if err != nil {
		return err
	}
	if took := time.Since(began); exit.How != "exit status 0" || took > endWithin {
		return fmt.Errorf("it ended with %q after %v", exit.How, took.Round(time.Millisecond))
	}
	return nil
}

func leaksNothing(ctx context.Context, s *subject) error {
	return s.withStorage(ctx, func(p *host.Process, b *host.Storage) error {
		key, err := s.object(ctx, b, 100_000)
		if err != nil {
			return err
		}
		before, err := openFiles(p.PID())
		if err != nil {
			return err
		}
		for range leakCalls {
			in, err := b.Get(ctx, key, storage.Range{LengthBytes: 10})
			if err != nil {
				return err
			}
			if err := in.Close(); err != nil {
				return err
			}
		}
		return errors.Join(settles(ctx, p.PID(), before), s.remove(ctx, b, key))
	})
}

func openFiles(pid int) (int, error) {
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(files), err
}

func endsWithUploads(ctx context.Context, s *subject) error {
	return s.withStorage(ctx, func(p *host.Process, b *host.Storage) error {
		upload, cancel := context.WithCancel(ctx)
		defer cancel()
		ended, err := uploading(upload, b, "st/a", 3<<20)
		if err != nil {
			return err
		}
		began := time.Now()
		p.Stop()
		took := time.Since(began)
		cancel()
		if err := <-ended; err == nil {
			return errors.New("an upload that was cut off has no error")
		}
		if how := p.Exit().How; strings.HasPrefix(how, "signal") {
			return fmt.Errorf("it went on for %v, and ended with %q", took.Round(time.Millisecond), how)
		}
		return nil
	})
}
