package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/storage"
)

// processCheck is one sentence of what a plugin's process has to be like.
type processCheck struct {
	id, sentence string
	soak         bool          // it takes long, and is run where that is asked for
	within       time.Duration // how long it may take; 0 is as long as any
	try          func(ctx context.Context, s *subject) error
}

// Bounds of what the process may do.
const (
	describeWithin = 2 * time.Second
	endWithin      = 5 * time.Second
	leakCalls      = 1000
	leakFiles      = 20
)

func processChecks() []processCheck {
	return slices.Concat(basicChecks(), configuringChecks(), enduringChecks())
}

func basicChecks() []processCheck {
	return []processCheck{
		{id: "PL-DESCRIBE-001", within: 15 * time.Second, sentence: "By hand, \"describe\" prints the same JSON each time, within two seconds, without any environment.", try: describes},
		{id: "PL-DESCRIBE-002", sentence: "What a plugin says of itself by hand and to its host is the same.", try: describesAlike},
		{id: "PL-CONFIG-001", sentence: "A field that the configuration does not have is refused, by its name.", try: refusesUnknown},
		{id: "PL-INSTANCE-001", sentence: "An instance that was closed is gone, and others are not.", try: closesOne},
		{id: "PL-SECRET-001", sentence: "No secret is logged, printed, or part of an error.", try: keepsSecrets},
		{id: "PL-CRASH-001", sentence: "An upload whose process is killed leaves nothing to see, and what was there is whole.", try: leavesNothing},
		{id: "PL-FREEZE-001", sentence: "A process that was frozen serves on when it is not any more.", try: thaws},
		{id: "PL-END-001", sentence: "A plugin ends by itself, with status 0, when its host lets go of it.", try: ends},
		{id: "PL-LEAK-001", sentence: "A thousand calls leave no files open.", try: leaksNothing},
	}
}

func describes(ctx context.Context, s *subject) error {
	var first []byte
	quickest := time.Duration(math.MaxInt64) // the machine may have been busy
	for range 3 {
		cmd := exec.CommandContext(ctx, s.Plugin, "describe")
		cmd.Env, cmd.Dir = []string{}, "/"
		began := time.Now()
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("describe: %w", err)
		}
		quickest = min(quickest, time.Since(began))
		if !json.Valid(out) {
			return fmt.Errorf("it printed %.100q", out)
		}
		if first != nil && !bytes.Equal(first, out) {
			return errors.New("it printed something else than before")
		}
		first = out
	}
	if quickest > describeWithin {
		return fmt.Errorf("it took %v", quickest)
	}
	return nil
}

func describesAlike(ctx context.Context, s *subject) error {
	cmd := exec.CommandContext(ctx, s.Plugin, "describe")
	cmd.Env = []string{}
	byHand, err := cmd.Output()
	if err != nil {
		return err
	}
	return s.with(ctx, func(p *host.Process, _ *host.Storage) error {
		toHost, err := p.Describe(ctx)
		if err != nil {
			return err
		}
		var a, b bytes.Buffer
		if err := errors.Join(json.Compact(&a, byHand), json.Compact(&b, toHost)); err != nil {
			return err
		}
		if a.String() != b.String() {
			return fmt.Errorf("by hand %s, to its host %s", &a, &b)
		}
		return nil
	})
}

func refusesUnknown(ctx context.Context, s *subject) error {
	return s.with(ctx, func(p *host.Process, _ *host.Storage) error {
		values := map[string]any{}
		if len(s.config.JSON) > 0 {
			if err := json.Unmarshal(s.config.JSON, &values); err != nil {
				return err
			}
		}
		const unknown = "no_such_field"
		values[unknown] = 1
		body, err := json.Marshal(values)
		if err != nil {
			return err
		}
		faults, err := p.Check(ctx, host.Configuration{JSON: body, Secrets: s.config.Secrets}, false)
		if err != nil {
			return err
		}
		for _, f := range faults {
			if f.Field == unknown {
				return nil
			}
		}
		return fmt.Errorf("it finds %v wrong with a field %q", faults, unknown)
	})
}

func closesOne(ctx context.Context, s *subject) error {
	return s.with(ctx, func(p *host.Process, a *host.Storage) error {
		b, err := p.OpenStorage(ctx, s.config)
		if err != nil {
			return err
		}
		if err := a.CloseInstance(ctx); err != nil {
			return err
		}
		if _, err := a.Stat(ctx, "st/x"); fault.KindOf(err) != fault.NotFound {
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

func keepsSecrets(ctx context.Context, s *subject) error {
	for name, secret := range s.config.Secrets {
		if len(secret) >= 4 && s.heard.contains(secret) {
			return fmt.Errorf("the secret %q is in what it logs", name)
		}
	}
	if len(s.description.Secrets) == 0 {
		return nil
	}
	const canary = "canary-3f9b1c77e2"
	return s.with(ctx, func(p *host.Process, _ *host.Storage) error {
		wrong := host.Configuration{JSON: s.config.JSON, Secrets: map[string]string{}}
		for _, name := range s.description.Secrets {
			wrong.Secrets[name] = canary
		}
		_, err := p.Check(ctx, wrong, true)
		if err != nil && bytes.Contains([]byte(err.Error()), []byte(canary)) {
			return errors.New("a secret is in the error that it returns")
		}
		if s.heard.contains(canary) {
			return errors.New("a secret is in what it logs")
		}
		return nil
	})
}

// endless is a source that never ends, and tells when so much of it was read.
type endless struct {
	ctx  context.Context //nolint:containedctx // of the upload
	left int64
	half chan struct{}
}

func (e *endless) SizeBytes() int64             { return -1 }
func (e *endless) Open() (io.ReadCloser, error) { return e, nil }
func (e *endless) Close() error                 { return nil }

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		select {
		case <-e.half:
		default:
			close(e.half)
		}
		<-e.ctx.Done()
		return 0, e.ctx.Err()
	}
	n := int(min(int64(len(p)), e.left))
	e.left -= int64(n)
	return n, nil
}

func leavesNothing(ctx context.Context, s *subject) error {
	before := []byte("what was there before")
	err := s.with(ctx, func(p *host.Process, b *host.Storage) error {
		if err := b.Put(ctx, "st/old", storage.Bytes(before)); err != nil {
			return err
		}
		upload, cancel := context.WithCancel(ctx)
		defer cancel()
		ended := make(chan error, 2)
		var sources []*endless
		for _, key := range []string{"st/old", "st/new"} {
			src := &endless{ctx: upload, left: 20 << 20, half: make(chan struct{})}
			sources = append(sources, src)
			go func() { ended <- b.Put(upload, key, src) }()
		}
		for _, src := range sources {
			select {
			case <-src.half:
			case err := <-ended:
				return fmt.Errorf("an upload ended before its source did: %w", errOr(err))
			}
		}
		if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
			return err
		}
		<-p.Exited()
		cancel()
		for range sources {
			if err := <-ended; err == nil {
				return errors.New("an upload that was cut off has no error")
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.with(ctx, func(_ *host.Process, b *host.Storage) error {
		defer b.Delete(context.WithoutCancel(ctx), "st/old") //nolint:errcheck // the next clearing tells
		if _, err := b.Stat(ctx, "st/new"); fault.KindOf(err) != fault.NotFound {
			return fmt.Errorf("the new object: %w", errOr(err))
		}
		for info, err := range b.List(ctx, "st/") {
			if err != nil || info.Key != "st/old" {
				return fmt.Errorf("there is %q in the listing, %w", info.Key, errOr(err))
			}
		}
		in, err := b.Get(ctx, "st/old", storage.Range{})
		if fault.KindOf(err) == fault.NotFound {
			return nil // it keeps nothing beyond its process
		}
		if err != nil {
			return err
		}
		defer in.Close() // it was only read
		if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, before) {
			return fmt.Errorf("what was there before has %d bytes, %w", len(got), errOr(err))
		}
		return nil
	})
}

func thaws(ctx context.Context, s *subject) error {
	return s.with(ctx, func(p *host.Process, b *host.Storage) error {
		if err := freeze(ctx, p.PID()); err != nil {
			return err
		}
		short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		_, err := b.Stat(short, "st/x")
		if thawed := syscall.Kill(p.PID(), syscall.SIGCONT); thawed != nil {
			return thawed
		}
		if fault.KindOf(err) != fault.Timeout {
			return fmt.Errorf("a call while it was frozen: %w", errOr(err))
		}
		if _, err := b.Stat(ctx, "st/x"); fault.KindOf(err) != fault.NotFound {
			return fmt.Errorf("a call afterwards: %w", errOr(err))
		}
		return nil
	})
}

func ends(ctx context.Context, s *subject) error {
	var exit host.Exit
	began := time.Now()
	err := s.with(ctx, func(p *host.Process, _ *host.Storage) error {
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
	return s.with(ctx, func(p *host.Process, b *host.Storage) error {
		if err := b.Put(ctx, "st/a", storage.Bytes(make([]byte, 100_000))); err != nil {
			return err
		}
		before, err := openFiles(p.PID())
		if err != nil {
			return err
		}
		for range leakCalls {
			in, err := b.Get(ctx, "st/a", storage.Range{LengthBytes: 10})
			if err != nil {
				return err
			}
			if err := in.Close(); err != nil {
				return err
			}
		}
		return errors.Join(settles(ctx, p.PID(), before), b.Delete(ctx, "st/a"))
	})
}

func openFiles(pid int) (int, error) {
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(files), err
}
