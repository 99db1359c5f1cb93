package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// How long a process may take to stand still, and how often it is looked at.
const (
	freezeWithin = 5 * time.Second
	freezeLook   = 10 * time.Millisecond
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
