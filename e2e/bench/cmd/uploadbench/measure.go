package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/pair"
	"github.com/corral-fleet/corral/e2e/bench/procstat"
)

// The ways that a file takes, in the order in which they are measured.
const (
	reference = iota
	byTus
	byForm
)

var wayNames = [...]string{"openssl and a copy", "tus", "form"}

// figures are what was measured, in each round.
type figures struct {
	seconds  [len(wayNames)][]float64 // until the file is stored
	answered [len(wayNames)][]float64 // seconds, until the answer
	cpu      [len(wayNames)][]float64 // seconds, of the control plane
	memory   [len(wayNames)][]float64 // bytes, of the control plane, over what it had when idle
}

// ratio returns the median of the reference's times over those of a way, round by round.
func (f figures) ratio(of []float64) float64 {
	var ratios []float64
	for i, seconds := range of {
		ratios = append(ratios, f.seconds[reference][i]/seconds)
	}
	return middle(ratios)
}

func middle(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}

// measure has a file come in by each of the ways.
func measure(ctx context.Context, cp *pair.ControlPlane, dir string, o options, progress io.Writer) (f figures, err error) {
	file := filepath.Join(dir, "file")
	if err := writeRandom(file, o.fileMiB<<20); err != nil {
		return f, err
	}
	select {
	case <-ctx.Done():
		return f, ctx.Err()
	case <-time.After(o.settle):
	}
	idle, err := procstat.Read(cp.PID())
	if err != nil {
		return f, err
	}
	for round := range o.rounds {
		if err := renew(file, byte(round)); err != nil {
			return f, err
		}
		for way, name := range wayNames {
			before, err := procstat.Read(cp.PID())
			if err != nil {
				return f, err
			}
			if err := forgetPeak(cp.PID()); err != nil {
				return f, err
			}
			began := time.Now()
			switch way {
			case reference:
				err = hashAndCopy(ctx, file, filepath.Join(dir, "copy"))
			case byTus:
				err = uploadByTus(ctx, cp, file, modelName(way, round))
			case byForm:
				err = uploadByForm(ctx, cp, file, modelName(way, round))
			}
			answered := time.Since(began)
			if err == nil && way != reference {
				err = awaitStored(ctx, cp, modelName(way, round))
			}
			took := time.Since(began)
			if err != nil {
				return f, fmt.Errorf("%s: %w", name, err)
			}
			after, err := procstat.Read(cp.PID())
			if err != nil {
				return f, err
			}
			peak, err := procstat.PeakRSS(cp.PID())
			if err != nil {
				return f, err
			}
			fmt.Fprintf(progress, "%d: %s: %.2f s, the answer after %.2f s\n", round+1, name, took.Seconds(), answered.Seconds())
			f.seconds[way] = append(f.seconds[way], took.Seconds())
			f.answered[way] = append(f.answered[way], answered.Seconds())
			f.cpu[way] = append(f.cpu[way], (after.CPU - before.CPU).Seconds())
			f.memory[way] = append(f.memory[way], float64(peak)-float64(idle.RSS))
			if way != reference {
				if err := clearAway(ctx, cp, modelName(way, round)); err != nil {
					return f, fmt.Errorf("%s: %w", name, err)
				}
			}
		}
	}
	return f, nil
}

// hashAndCopy does what an upload has to do at least: it hashes a file, and has the disk
// keep a copy of it.
func hashAndCopy(ctx context.Context, file, to string) error {
	hash := exec.CommandContext(ctx, "openssl", "dgst", "-sha256", file)
	copying := exec.CommandContext(ctx, "dd", "if="+file, "of="+to, "bs=1M", "conv=fsync", "status=none")
	if err := hash.Start(); err != nil {
		return err
	}
	err := copying.Run()
	return errors.Join(err, hash.Wait(), os.Remove(to))
}

// writeRandom writes a file that nothing can compress.
func writeRandom(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, rand.NewChaCha8(sha256.Sum256([]byte("uploadbench"))), size)
	return errors.Join(err, f.Close())
}

// renew makes another file of one, of the same size: content that is known would not
// have to come in.
func renew(path string, round byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte{'#', round}, 0)
	return errors.Join(err, f.Sync(), f.Close())
}

// forgetPeak makes the kernel forget how much memory a process had at its highest.
func forgetPeak(pid int) error {
	return os.WriteFile(filepath.Join("/proc", strconv.Itoa(pid), "clear_refs"), []byte("5"), 0)
}

// operation is what the server tells of one.
type operation struct {
	Kind  string `json:"kind"`
	Model string `json:"model"`
	State string `json:"state"`
	Phase string `json:"phase"`
}

func (o operation) ended() bool { return o.State != "waiting" && o.State != "running" }

// awaitStored waits until the file of a model is in its storage: what the server does next
// is to look at what it is.
func awaitStored(ctx context.Context, cp *pair.ControlPlane, model string) error {
	return awaitOperations(ctx, cp, 5*time.Millisecond, func(list []operation) (bool, error) {
		at := slices.IndexFunc(list, func(o operation) bool { return o.Kind == "store" && strings.HasPrefix(o.Model, model+":") })
		switch {
		case at < 0:
			return false, nil
		case list[at].Phase != "inspecting" && list[at].ended():
			return false, fmt.Errorf("the file of %s was not stored: %s", model, list[at].State)
		}
		return list[at].Phase == "inspecting", nil
	})
}

// clearAway waits until nothing is done any more with what came, and deletes it.
func clearAway(ctx context.Context, cp *pair.ControlPlane, model string) error {
	err := awaitOperations(ctx, cp, 50*time.Millisecond, func(list []operation) (bool, error) {
		return !slices.ContainsFunc(list, func(o operation) bool { return !o.ended() }), nil
	})
	if err != nil {
		return err
	}
	_, err = do(ctx, cp, "DELETE", "/api/models/"+model+"?purge=true", nil, 0)
	return err
}

// awaitOperations asks for the server's operations until they are as they should be.
func awaitOperations(ctx context.Context, cp *pair.ControlPlane, every time.Duration, good func([]operation) (bool, error)) error {
	pause := time.NewTicker(every)
	defer pause.Stop()
	for {
		var list []operation
		if err := get(ctx, cp, "/api/operations", &list); err != nil {
			return err
		}
		if ok, err := good(list); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pause.C:
		}
	}
}

func get(ctx context.Context, cp *pair.ControlPlane, path string, into any) error {
	resp, err := do(ctx, cp, "GET", path, nil, 0)
	if err != nil {
		return err
	}
	return json.Unmarshal(resp.body, into)
}
