package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/storage"
)

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
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path))) // a number, by the pattern
			parents[child], _ = strconv.Atoi(fields[1])                 // the kernel's
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
	return s.with(ctx, func(p *host.Process, b instance) error {
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
	return s.withStorage(ctx, func(p *host.Process, b *host.Storage) error {
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
				kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64) // the kernel's
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
