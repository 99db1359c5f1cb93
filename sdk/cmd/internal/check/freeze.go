package check

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// How long is waited until a process stands still.
const (
	freezeTries = 500
	freezePause = 10 * time.Millisecond
)

// freeze stops a process, and returns when all of its threads stand still: the signal
// is only the beginning of that.
func freeze(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	for range freezeTries {
		frozen, err := standsStill(pid)
		if frozen || err != nil {
			return err
		}
		time.Sleep(freezePause)
	}
	return errors.New("it could not be frozen")
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
