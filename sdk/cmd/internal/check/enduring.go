package check

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/storage"
)

// Bounds of what the process may do, and how much is asked of it.
const (
	callsAtOnce   = 64
	cancelledGets = 100
	acknowledged  = 5
	soakBytes     = 256 << 20
	soakMemory    = 128 << 20 // how much more memory that may take
)

func enduringChecks() []processCheck {
	return []processCheck{
		{id: "PL-CRASH-002", kind: storageKind, puts: true, sentence: "What was acknowledged is there when a process that was killed is started again.", try: keepsAcknowledged},
		{id: "PL-SWEEP-001", kind: storageKind, puts: true, sentence: "What an upload has left whose process was killed is swept, and no object.", try: sweepsLeftovers},
		{id: "PL-PAGE-001", kind: storageKind, puts: true, sentence: "A page's token works in another process.", try: keepsTokens},
		{id: "PL-FREEZE-002", kind: storageKind, puts: true, sentence: "An upload whose process was frozen for a while goes on.", try: goesOn},
		{id: "PL-END-002", kind: storageKind, puts: true, sentence: "A plugin ends within five seconds of its host, with an upload under way.", try: endsWithUploads},
		{id: "PL-END-003", sentence: "A plugin goes on when its group gets a signal that is meant for the host.", try: bearsSignals},
		{id: "PL-CANCEL-001", kind: storageKind, sentence: "Downloads that are given up leave nothing open.", try: givesUp},
		{id: "PL-LOAD-001", kind: storageKind, sentence: "64 calls at once are served.", try: servesMany},
		{id: "PL-SECRET-002", sentence: "No secret is in the environment or the arguments of a process.", try: passesNoSecrets},
		{id: "PL-LISTEN-001", sentence: "Nothing is listened for but on unix sockets.", try: listensNowhere},
		{id: "PL-MEMORY-001", kind: storageKind, puts: true, soak: true, sentence: "Objects pass without being held: 256 MiB take no more than 128 MiB of memory.", try: holdsNothing},
		{id: "PL-STDOUT-001", sentence: "Nothing is printed to stdout but the line of the handshake.", try: printsNothing}, // of all that was before
	}
}

func bearsSignals(ctx context.Context, s *subject) error {
	return s.with(ctx, func(p *host.Process, b instance) error {
		for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
			if err := syscall.Kill(-p.PID(), signal); err != nil {
				return err
			}
			for range 20 { // the signal is on its way
				if err := b.ask(ctx); err != nil {
					return fmt.Errorf("after %v: %w", signal, err)
				}
				select {
				case <-p.Exited():
					return fmt.Errorf("after %v it ended with %s", signal, p.Exit())
				case <-time.After(5 * time.Millisecond):
				}
			}
		}
		return nil
	})
}

func givesUp(ctx context.Context, s *subject) error {
	return s.withStorage(ctx, func(p *host.Process, b *host.Storage) error {
		key, err := s.object(ctx, b, 8<<20)
		if err != nil {
			return err
		}
		if _, err := readAll(ctx, b, key); err != nil {
			return err
		}
		before, err := openFiles(p.PID())
		if err != nil {
			return err
		}
		for range cancelledGets {
			download, cancel := context.WithCancel(ctx)
			in, err := b.Get(download, key, storage.Range{})
			if err == nil {
				_, err = in.Read(make([]byte, 10))
			}
			cancel()
			if err != nil {
				return err
			}
		}
		return errors.Join(settles(ctx, p.PID(), before), s.remove(ctx, b, key))
	})
}

// settles wants about as many files open as there were.
func settles(ctx context.Context, pid, before int) error {
	var after int
	for range 50 { // what was closed a moment ago may be open there still
		var err error
		if after, err = openFiles(pid); err != nil || after <= before+leakFiles {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("it has %d files open, and had %d", after, before)
}

func servesMany(ctx context.Context, s *subject) error {
	return s.withStorage(ctx, func(_ *host.Process, b *host.Storage) error {
		key, err := s.object(ctx, b, 1)
		if err != nil {
			return err
		}
		errs := make([]error, callsAtOnce)
		var calling sync.WaitGroup
		for i := range callsAtOnce {
			calling.Go(func() {
				for range 5 {
					_, err := b.Stat(ctx, key)
					_, gone := b.Stat(ctx, "st/absent")
					if fault.KindOf(gone) != fault.NotFound {
						err = errors.Join(err, errOr(gone))
					}
					errs[i] = errors.Join(errs[i], err)
				}
			})
		}
		calling.Wait()
		return errors.Join(errors.Join(errs...), s.remove(ctx, b, key))
	})
}
