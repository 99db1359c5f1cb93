package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
	frozenFor     = 500 * time.Millisecond
	soakBytes     = 256 << 20
	soakMemory    = 128 << 20 // how much more memory that may take
)

func enduringChecks() []processCheck {
	return []processCheck{
		{id: "PL-CRASH-002", sentence: "What was acknowledged is there when a process that was killed is started again.", try: keepsAcknowledged},
		{id: "PL-SWEEP-001", sentence: "What an upload has left whose process was killed is swept, and no object.", try: sweepsLeftovers},
		{id: "PL-PAGE-001", sentence: "A page's token works in another process.", try: keepsTokens},
		{id: "PL-FREEZE-002", sentence: "An upload whose process was frozen for a while goes on.", try: goesOn},
		{id: "PL-END-002", sentence: "A plugin ends within five seconds of its host, with an upload under way.", try: endsWithUploads},
		{id: "PL-END-003", sentence: "A plugin goes on when its group gets a signal that is meant for the host.", try: bearsSignals},
		{id: "PL-CANCEL-001", sentence: "Downloads that are given up leave nothing open.", try: givesUp},
		{id: "PL-LOAD-001", sentence: "64 calls at once are served.", try: servesMany},
		{id: "PL-SECRET-002", sentence: "No secret is in the environment or the arguments of a process.", try: passesNoSecrets},
		{id: "PL-LISTEN-001", sentence: "Nothing is listened for but on unix sockets.", try: listensNowhere},
		{id: "PL-MEMORY-001", soak: true, sentence: "Objects pass without being held: 256 MiB take no more than 128 MiB of memory.", try: holdsNothing},
		{id: "PL-STDOUT-001", sentence: "Nothing is printed to stdout but the line of the handshake.", try: printsNothing}, // of all that was before
	}
}

func keepsAcknowledged(ctx context.Context, s *subject) error {
	content := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i)}, 100_000+i) }
	key := func(i int) string { return fmt.Sprintf("st/kept-%d", i) }
	err := s.with(ctx, func(p *host.Process, b *host.Storage) error {
		for i := range acknowledged {
			if err := b.Put(ctx, key(i), storage.Bytes(content(i))); err != nil {
				return err
			}
		}
		return kill(p)
	})
	if err != nil {
		return err
	}
	return s.with(ctx, func(_ *host.Process, b *host.Storage) error {
		var gone, wrong []string
		for i := range acknowledged {
			got, err := readAll(ctx, b, key(i))
			switch {
			case fault.KindOf(err) == fault.NotFound:
				gone = append(gone, key(i))
			case err != nil:
				return err
			case !bytes.Equal(got, content(i)):
				wrong = append(wrong, key(i))
			}
			if err := b.Delete(ctx, key(i)); err != nil {
				return err
			}
		}
		// One that keeps nothing beyond its process says so by having nothing.
		if len(wrong) > 0 || len(gone) > 0 && len(gone) < acknowledged {
			return fmt.Errorf("%q are gone, %q have other bytes", gone, wrong)
		}
		return nil
	})
}

func kill(p *host.Process) error {
	if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
		return err
	}
	<-p.Exited()
	return nil
}

func readAll(ctx context.Context, b storage.Backend, key string) ([]byte, error) {
	in, err := b.Get(ctx, key, storage.Range{})
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(in)
	return content, errors.Join(err, in.Close())
}

// uploading begins an upload that waits for its end behind so many bytes.
func uploading(ctx context.Context, b storage.Backend, key string) (*endless, chan error, error) {
	src := &endless{ctx: ctx, left: 3 << 20, half: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- b.Put(ctx, key, src) }()
	select {
	case <-src.half:
		return src, ended, nil
	case err := <-ended:
		return nil, nil, fmt.Errorf("an upload ended before its source did: %w", errOr(err))
	}
}

func sweepsLeftovers(ctx context.Context, s *subject) error {
	before := []byte("what was there before")
	err := s.with(ctx, func(p *host.Process, b *host.Storage) error {
		if _, ok := storage.As[storage.Sweeper](b); !ok {
			return errNotDeclared
		}
		upload, cancel := context.WithCancel(ctx)
		defer cancel()
		if err := b.Put(ctx, "st/old", storage.Bytes(before)); err != nil {
			return err
		}
		_, ended, err := uploading(upload, b, "st/new")
		if err != nil {
			return err
		}
		if err := kill(p); err != nil {
			return err
		}
		cancel()
		if err := <-ended; err == nil {
			return errors.New("an upload that was cut off has no error")
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.with(ctx, func(_ *host.Process, b *host.Storage) error {
		defer b.Delete(context.WithoutCancel(ctx), "st/old") //nolint:errcheck // the next clearing tells
		if _, err := b.Sweep(ctx, 0); err != nil {
			return err
		}
		if n, err := b.Sweep(ctx, 0); n != 0 || err != nil {
			return fmt.Errorf("the second time it sweeps %d, %w", n, errOr(err))
		}
		if got, err := readAll(ctx, b, "st/old"); fault.KindOf(err) != fault.NotFound && !bytes.Equal(got, before) {
			return fmt.Errorf("what was there before has %d bytes, %w", len(got), errOr(err))
		}
		return nil
	})
}

func keepsTokens(ctx context.Context, s *subject) error {
	const objects = 6
	key := func(i int) string { return fmt.Sprintf("st/page-%d", i) }
	request := storage.PageRequest{Prefix: "st/page-", Limit: 2}
	seen := map[string]int{}
	err := s.with(ctx, func(_ *host.Process, b *host.Storage) error {
		for i := range objects {
			if err := b.Put(ctx, key(i), storage.Bytes(nil)); err != nil {
				return err
			}
		}
		page, err := storage.ListPage(ctx, b, request)
		if err == nil && page.NextToken == "" {
			err = fmt.Errorf("a page of %d has no token", len(page.Objects))
		}
		for _, o := range page.Objects {
			seen[o.Key]++
		}
		request.Token = page.NextToken
		return err
	})
	if err != nil {
		return err
	}
	return s.with(ctx, func(_ *host.Process, b *host.Storage) error {
		if _, err := b.Stat(ctx, key(0)); fault.KindOf(err) == fault.NotFound {
			return errNotDeclared // it keeps nothing beyond its process
		}
		for range objects {
			page, err := storage.ListPage(ctx, b, request)
			if err != nil {
				return err
			}
			for _, o := range page.Objects {
				seen[o.Key]++
			}
			if request.Token = page.NextToken; request.Token == "" {
				break
			}
		}
		for i := range objects {
			if seen[key(i)] != 1 {
				return fmt.Errorf("%q is there %d times", key(i), seen[key(i)])
			}
			if err := b.Delete(ctx, key(i)); err != nil {
				return err
			}
		}
		return nil
	})
}

func goesOn(ctx context.Context, s *subject) error {
	return s.with(ctx, func(p *host.Process, b *host.Storage) error {
		in, out := io.Pipe()
		ended := make(chan error, 1)
		go func() {
			err := b.Put(ctx, "st/a", storage.Once(in, -1))
			in.CloseWithError(err) // nobody writes to an upload that has ended
			ended <- err
		}()
		piece := bytes.Repeat([]byte("x"), 2<<20)
		if _, err := out.Write(piece); err != nil {
			return err
		}
		if err := signalFamily(p.PID(), syscall.SIGSTOP); err != nil {
			return err
		}
		select { // that it is frozen for so long is what is checked
		case <-time.After(frozenFor):
		case <-ctx.Done():
		}
		if err := signalFamily(p.PID(), syscall.SIGCONT); err != nil {
			return err
		}
		_, err := out.Write(piece)
		out.Close()
		if err := errors.Join(<-ended, err); err != nil {
			return err
		}
		got, err := readAll(ctx, b, "st/a")
		if err == nil && len(got) != 2*len(piece) {
			err = fmt.Errorf("the object has %d bytes", len(got))
		}
		return errors.Join(err, b.Delete(ctx, "st/a"))
	})
}

func endsWithUploads(ctx context.Context, s *subject) error {
	return s.with(ctx, func(p *host.Process, b *host.Storage) error {
		upload, cancel := context.WithCancel(ctx)
		defer cancel()
		_, ended, err := uploading(upload, b, "st/a")
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

func bearsSignals(ctx context.Context, s *subject) error {
	return s.with(ctx, func(p *host.Process, b *host.Storage) error {
		for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
			if err := syscall.Kill(-p.PID(), signal); err != nil {
				return err
			}
			for range 20 { // the signal is on its way
				if _, err := b.Stat(ctx, "st/x"); fault.KindOf(err) != fault.NotFound {
					return fmt.Errorf("after %v: %w", signal, errOr(err))
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
	return s.with(ctx, func(p *host.Process, b *host.Storage) error {
		if err := b.Put(ctx, "st/a", storage.Bytes(make([]byte, 8<<20))); err != nil {
			return err
		}
		if _, err := readAll(ctx, b, "st/a"); err != nil {
			return err
		}
		before, err := openFiles(p.PID())
		if err != nil {
			return err
		}
		for range cancelledGets {
			download, cancel := context.WithCancel(ctx)
			in, err := b.Get(download, "st/a", storage.Range{})
			if err == nil {
				_, err = in.Read(make([]byte, 10))
			}
			cancel()
			if err != nil {
				return err
			}
		}
		return errors.Join(settles(ctx, p.PID(), before), b.Delete(ctx, "st/a"))
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
	return s.with(ctx, func(_ *host.Process, b *host.Storage) error {
		if err := b.Put(ctx, "st/a", storage.Bytes([]byte("x"))); err != nil {
			return err
		}
		errs := make([]error, callsAtOnce)
		var calling sync.WaitGroup
		for i := range callsAtOnce {
			calling.Go(func() {
				for range 5 {
					_, err := b.Stat(ctx, "st/a")
					_, gone := b.Stat(ctx, "st/absent")
					if fault.KindOf(gone) != fault.NotFound {
						err = errors.Join(err, errOr(gone))
					}
					errs[i] = errors.Join(errs[i], err)
				}
			})
		}
		calling.Wait()
		return errors.Join(errors.Join(errs...), b.Delete(ctx, "st/a"))
	})
}

func passesNoSecrets(ctx context.Context, s *subject) error {
	return s.with(ctx, func(p *host.Process, b *host.Storage) error {
		if err := b.Check(ctx); err != nil {
			return err
		}
		for _, pid := range family(p.PID()) {
			for _, file := range []string{"environ", "cmdline"} {
				text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
				if err != nil {
					continue // it has ended
				}
				for name, secret := range s.config.Secrets {
					if len(secret) >= 4 && bytes.Contains(text, []byte(secret)) {
						return fmt.Errorf("the secret %q is in the %s of a process", name, map[string]string{"environ": "environment", "cmdline": "arguments"}[file])
					}
				}
			}
		}
		return nil
	})
}

// family returns a process and those that descend from it.
func family(pid int) []int {
	parents := map[int]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // of a pattern that is one
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, after, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(after); len(fields) > 1 {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			parents[child], _ = strconv.Atoi(fields[1])
		}
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		for child, parent := range parents {
			if parent == all[i] {
				all = append(all, child)
			}
		}
	}
	return all
}

// signalFamily sends a signal to a process and those that descend from it.
func signalFamily(pid int, signal syscall.Signal) error {
	var errs []error
	for _, one := range family(pid) {
		if err := syscall.Kill(one, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func listensNowhere(ctx context.Context, s *subject) error {
	return s.with(ctx, func(p *host.Process, b *host.Storage) error {
		if err := b.Check(ctx); err != nil {
			return err
		}
		for _, pid := range family(p.PID()) {
			listening := listeners(pid)
			files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
			if err != nil {
				return err
			}
			for _, file := range files {
				target, err := os.Readlink(file)
				if address, is := listening[target]; err == nil && is {
					return fmt.Errorf("it listens on %s", address)
				}
			}
		}
		return nil
	})
}

// listeners returns the addresses of a process's network that are listened on, by
// what their sockets are called in /proc.
func listeners(pid int) map[string]string {
	const listening, addressField, stateField, inodeField = "0A", 1, 3, 9
	all := map[string]string{}
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			continue // there is no such network
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > inodeField && f[stateField] == listening {
				all["socket:["+f[inodeField]+"]"] = table + " " + f[addressField]
			}
		}
	}
	return all
}

func holdsNothing(ctx context.Context, s *subject) error {
	return s.with(ctx, func(p *host.Process, b *host.Storage) error {
		before := memoryPeak(p.PID())
		err := b.Put(ctx, "st/soak", storage.Once(io.LimitReader(zeros{}, soakBytes), soakBytes))
		if k := fault.KindOf(err); k == fault.TooLarge || k == fault.NoSpace {
			return errNotDeclared
		}
		if err != nil {
			return err
		}
		in, err := b.Get(ctx, "st/soak", storage.Range{})
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, in)
		if err := errors.Join(err, in.Close(), b.Delete(ctx, "st/soak")); err != nil {
			return err
		}
		if more := memoryPeak(p.PID()) - before; n != soakBytes || more > soakMemory {
			return fmt.Errorf("%d bytes were read, and it took %d MiB more memory", n, more>>20)
		}
		return nil
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// memoryPeak returns the most memory that a process and those that descend from it
// have had so far, in bytes.
func memoryPeak(pid int) int64 {
	var total int64
	for _, one := range family(pid) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", one))
		if err != nil {
			continue // it has ended
		}
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
				total += kib << 10
			}
		}
	}
	return total
}

func printsNothing(_ context.Context, s *subject) error {
	if s.heard.contains("printed to stdout") {
		return errors.New("it did print something to stdout: stderr is the log")
	}
	return nil
}
