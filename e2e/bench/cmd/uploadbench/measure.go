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
	seconds [len(wayNames)][]float64
	cpu     [len(wayNames)][]float64 // seconds, of the control plane
	memory  [len(wayNames)][]float64 // bytes, of the control plane, over what it had when idle
}

// ratio returns the median of a way's speed over the reference's, round by round.
func (f figures) ratio(way int) float64 {
	var ratios []float64
	for i, seconds := range f.seconds[way] {
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
				err = uploadByTus(ctx, cp, file)
			case byForm:
				err = uploadByForm(ctx, cp, file)
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
			fmt.Fprintf(progress, "%d: %s: %.2f s\n", round+1, name, took.Seconds())
			f.seconds[way] = append(f.seconds[way], took.Seconds())
			f.cpu[way] = append(f.cpu[way], (after.CPU - before.CPU).Seconds())
			f.memory[way] = append(f.memory[way], float64(peak)-float64(idle.RSS))
			if way != reference {
				if err := clearAway(ctx, cp, way, round); err != nil {
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
	State string `json:"state"`
}

// clearAway waits until nothing is done any more with what came, and deletes it.
func clearAway(ctx context.Context, cp *pair.ControlPlane, way, round int) error {
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	for {
		var list []operation
		if err := get(ctx, cp, "/api/operations", &list); err != nil {
			return err
		}
		if !slices.ContainsFunc(list, func(o operation) bool { return o.State == "waiting" || o.State == "running" }) {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pause.C:
		}
	}
	_, err := do(ctx, cp, "DELETE", "/api/models/"+modelName(way)+"?purge=true", nil, 0)
	return err
}

func get(ctx context.Context, cp *pair.ControlPlane, path string, into any) error {
	resp, err := do(ctx, cp, "GET", path, nil, 0)
	if err != nil {
		return err
	}
	return json.Unmarshal(resp.body, into)
}
