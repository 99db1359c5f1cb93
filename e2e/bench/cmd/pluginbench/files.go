package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/report"
	"github.com/corral-fleet/corral/e2e/bench/s3"
	"github.com/corral-fleet/corral/e2e/bench/stage"
	"github.com/corral-fleet/corral/sdk/host"
)

// What was promised of a file that goes through a plugin, against the same code in
// process, and against rclone.
const (
	minSocketRatio = 0.9
	minGRPCRatio   = 0.4
	maxMemoryMB    = 64
)

// The ways that a file takes, in the order in which they are measured.
const (
	inProcess = iota
	inProcessHashed
	bySocket
	byGRPC
	byRclone
)

var wayNames = [...]string{"in process", "in process, sha256", "plugin, socket", "plugin, gRPC", "rclone copyto"}

// files are transfers of a file in one direction, by each way and in each round.
type files struct {
	name    string
	bytes   int64
	seconds [len(wayNames)][]float64
	cpu     [len(wayNames)][]float64
	peak    [len(wayNames)]uint64
}

// measureFiles has a file go to a service and come back, by each of the ways.
func measureFiles(ctx context.Context, st *stage.Stage, o options, progress io.Writer) ([]files, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir := o.dir
	if dir == "" {
		dir = os.TempDir()
	}
	if dir, err = os.MkdirTemp(dir, "pluginbench"); err != nil {
		return nil, err
	}
	st.Add(func() error { return os.RemoveAll(dir) })
	service, err := s3.Start(ctx, o.server, filepath.Join(dir, "service"))
	if err != nil {
		return nil, err
	}
	st.Add(service.Stop)
	file := filepath.Join(dir, "file")
	if err := writeRandom(file, o.fileMiB<<20); err != nil {
		return nil, err
	}
	want, err := host.Digest(file)
	if err != nil {
		return nil, err
	}
	commands := func(t task) [len(wayNames)]func() *exec.Cmd {
		through := func(args ...string) func() *exec.Cmd {
			return func() *exec.Cmd {
				return exec.CommandContext(ctx, self, append([]string{"transfer", "-plugin", o.s3, "-task", t.text()}, args...)...)
			}
		}
		within := func(t task) func() *exec.Cmd {
			return func() *exec.Cmd {
				cmd := exec.CommandContext(ctx, o.inProcess)
				cmd.Env = append(os.Environ(), "STORAGE_S3_TASK="+t.text())
				return cmd
			}
		}
		hashed := t
		hashed.Hash = true
		return [...]func() *exec.Cmd{
			within(t), within(hashed), through(), through("-messages"),
			func() *exec.Cmd { return rclone(ctx, o.rclone, service, t) },
		}
	}
	both := []files{{name: "upload", bytes: o.fileMiB << 20}, {name: "download", bytes: o.fileMiB << 20}}
	for round := range o.rounds {
		for i := range both {
			t := task{Config: service.Config(), File: file, Key: "object", Get: i == 1}
			if t.Get {
				t.File = filepath.Join(dir, "back")
			}
			for way, command := range commands(t) {
				r, cpu, err := transferBy(command())
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", both[i].name, wayNames[way], err)
				}
				fmt.Fprintf(progress, "%d: %s, %s: %.2f s\n", round+1, both[i].name, wayNames[way], r.Seconds)
				both[i].seconds[way] = append(both[i].seconds[way], r.Seconds)
				both[i].cpu[way] = append(both[i].cpu[way], cpu.Seconds())
				both[i].peak[way] = max(both[i].peak[way], r.PeakRSS)
				came := filepath.Join(dir, "service", s3.Bucket, t.Key)
				if t.Get {
					came = t.File
				}
				if err := isWhole(came, want); err != nil {
					return nil, fmt.Errorf("%s, %s: %w", both[i].name, wayNames[way], err)
				}
				if t.Get {
					if err := os.Remove(t.File); err != nil {
						return nil, err
					}
				}
			}
		}
	}
	return both, nil
}

func (t task) text() string {
	text, err := json.Marshal(t)
	if err != nil { // strings and booleans
		panic(err)
	}
	return string(text)
}

// isWhole compares what came with what was sent, which no way may get wrong.
func isWhole(file, want string) error {
	got, err := host.Digest(file)
	if err == nil && got != want {
		err = errShort
	}
	return err
}

// transferBy runs a program that does a transfer. One that prints nothing of it is
// measured as a whole.
func transferBy(cmd *exec.Cmd) (r result, cpu time.Duration, err error) {
	var out, failed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &failed
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return r, 0, fmt.Errorf("%w: %s%s", err, &out, &failed)
	}
	r.Seconds = time.Since(began).Seconds()
	r.PeakRSS = uint64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) << 10
	if out.Len() > 0 {
		err = json.Unmarshal(out.Bytes(), &r)
	}
	return r, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), err
}

// writeRandom writes a file that nothing can compress.
func writeRandom(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	seed := sha256.Sum256([]byte("pluginbench"))
	if _, err := io.CopyN(f, rand.NewChaCha8(seed), size); err != nil {
		f.Close()
		return fmt.Errorf("write the file of seed %s: %w", hex.EncodeToString(seed[:4]), err)
	}
	return f.Close()
}

// ratio returns the median of a way's speed over another's, round by round.
func (f files) ratio(way, over int) float64 {
	var ratios []float64
	for i := range f.seconds[way] {
		ratios = append(ratios, f.seconds[over][i]/f.seconds[way][i])
	}
	return middle(ratios)
}

func middle(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}

func (f files) table() report.Table {
	t := report.Table{Header: []string{f.name, "MB/s", "of in process", "CPU s", "memory"}}
	for way, name := range wayNames {
		t.Rows = append(t.Rows, []string{
			name, fmt.Sprintf("%.0f", float64(f.bytes)/1e6/middle(f.seconds[way])), fmt.Sprintf("%.2f", f.ratio(way, inProcess)),
			fmt.Sprintf("%.1f", middle(f.cpu[way])), fmt.Sprintf("%.0f MB", float64(f.peak[way])/1e6),
		})
	}
	return t
}

func (f files) targets() []report.Target {
	return []report.Target{
		report.AtLeast(f.name+" by socket, of in process", "%.2f", minSocketRatio, f.ratio(bySocket, inProcess)),
		report.AtLeast(f.name+" by socket, of rclone", "%.2f", 1, f.ratio(bySocket, byRclone)),
		report.AtLeast(f.name+" by gRPC, of in process", "%.2f", minGRPCRatio, f.ratio(byGRPC, inProcess)),
		report.AtMost(f.name+" by socket, memory more than in process", "%.0f MB", maxMemoryMB, (float64(f.peak[bySocket])-float64(f.peak[inProcess]))/1e6),
	}
}
