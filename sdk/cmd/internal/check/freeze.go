package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/storage"
)

// How long a process may take to stand still, how often it is looked at, and for how
// long it stays so.
const (
	freezeWithin = 5 * time.Second
	freezeLook   = 10 * time.Millisecond
	frozenFor    = 500 * time.Millisecond
)

// freeze stops a process, and returns when all of its threads stand still: the signal
// is only the beginning of that.
func freeze(ctx context.Context, pid int) error {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, freezeWithin)
	defer cancel()
	look := time.NewTicker(freezeLook)
	defer look.Stop()
	for {
		frozen, err := standsStill(pid)
		if frozen || err != nil {
			return err
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("it could not be frozen: %w", ctx.Err())
		}
	}
}

func standsStill(pid int) (bool, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(files) == 0 {
		return false, fmt.Errorf("process %d is gone: %w", pid, errors.Join(err, os.ErrProcessDone))
	}
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		// The state follows the name, which is in parentheses.
		if _, state, ok := bytes.Cut(stat[bytes.LastIndexByte(stat, ')'):], []byte(" ")); !ok || state[0] != 'T' {
			return false, nil
		}
	}
	return true, nil
}

func thaws(ctx context.Context, s *subject) error {
	return s.with(ctx, func(p *host.Process, b instance) error {
		if err := freeze(ctx, p.PID()); err != nil {
			return err
		}
		short, cancel := context.WithTimeout(ctx, frozenFor)
		defer cancel()
		err := b.call(short)
		if thawed := syscall.Kill(p.PID(), syscall.SIGCONT); thawed != nil {
			return thawed
		}
		if fault.KindOf(err) != fault.Timeout {
			return fmt.Errorf("a call while it was frozen: %w", errOr(err))
		}
		if err := b.ask(ctx); err != nil {
			return fmt.Errorf("a call afterwards: %w", err)
		}
		select { // what ends for having been frozen may answer once more before it does
		case <-time.After(frozenFor / 2):
		case <-ctx.Done():
		}
		if err := b.ask(ctx); err != nil {
			return fmt.Errorf("a call a moment afterwards: %w", err)
		}
		return nil
	})
}

func goesOn(ctx context.Context, s *subject) error {
	return s.withStorage(ctx, func(p *host.Process, b *host.Storage) error {
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
