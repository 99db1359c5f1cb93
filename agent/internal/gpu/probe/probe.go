// Package probe is corral-gpuprobe: the process in which the driver's library is
// called, so that a call that hangs, aborts or crashes takes nothing else along.
package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/corral-fleet/corral/agent/internal/gpu"
	"github.com/corral-fleet/corral/agent/internal/gpu/frame"
	"github.com/corral-fleet/corral/agent/internal/gpu/source"
)

// FramesFD is the file descriptor to which a probe with an interval writes. It
// is not standard output, on which libraries print.
const FramesFD = 3

// renewInterval is how long a process stays that found no driver which works. It
// cannot find one that is loaded later: what it has loaded belongs to the other.
const renewInterval = 10 * time.Second

// Process is what the program has of its process.
type Process struct {
	Args           []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Frames         func() io.WriteCloser     // opens what FramesFD is
	Renew          func(args []string) error // begins anew with the same files, and returns only if that fails
	Program        string                    // what runs in it, for another process
}

// options are what the command line says.
type options struct {
	gpu    string
	host   source.Host
	every  time.Duration
	record string
	cuda   bool

	renewAfter time.Duration
}

// once prints one reading.
func once(o options, w io.Writer) error {
	s, err := source.Open(o.gpu, o.host)
	if err != nil {
		return err
	}
	var r gpu.Reading
	s.Read(&r)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(&r)
}

// record writes readings to a file, in the form that recorded machines have.
func record(ctx context.Context, o options) error {
	s, err := source.Open(o.gpu, o.host)
	if err != nil {
		return err
	}
	f, err := os.Create(o.record)
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	defer f.Close() // each line was written whole, or its error returned
	machine := strings.TrimSuffix(filepath.Base(o.record), filepath.Ext(o.record))
	enc := json.NewEncoder(f)
	var r gpu.Reading
	return repeat(ctx, o.every, func() error {
		s.Read(&r)
		source.Anonymous(&r, machine)
		return enc.Encode(&r)
	})
}

// send writes frames.
func send(ctx context.Context, o options, p Process, w io.Writer) error {
	s, err := source.Open(o.gpu, o.host)
	if err != nil {
		return err
	}
	out := frame.NewWriter(w)
	begun := time.Now()
	var r gpu.Reading
	return repeat(ctx, o.every, func() error {
		s.Read(&r)
		if err := out.Write(&r); err != nil {
			return fmt.Errorf("write a reading: %w", err)
		}
		if hopeless(r.State) && time.Since(begun) >= o.renewAfter {
			return p.Renew(renewed(p.Args, &r))
		}
		return nil
	})
}

// hopeless reports whether it takes a new process to see the driver work.
func hopeless(s gpu.State) bool {
	return s == gpu.NoDriver || s == gpu.VersionMismatch || s == gpu.Failed
}

// renewed is the command line of a process that goes on where this one ends.
func renewed(args []string, r *gpu.Reading) []string {
	args = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return strings.HasPrefix(a, logAfterFlag) })
	if r.LogSequence.Known {
		args = append(args, fmt.Sprint(logAfterFlag, r.LogSequence.V))
	}
	return args
}

func repeat(ctx context.Context, every time.Duration, do func() error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := do(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// untilClosed runs work until it or standard input ends, whichever is first, and
// does not wait for work then: a call into the driver may never return.
func untilClosed(ctx context.Context, stdin io.Reader, work func(context.Context) error) error {
	done := make(chan error, 2)
	go func() {
		_, err := io.Copy(io.Discard, stdin)
		done <- err
	}()
	go func() { done <- work(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return nil
	}
}
