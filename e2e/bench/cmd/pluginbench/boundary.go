package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/procstat"
	"github.com/corral-fleet/corral/e2e/bench/report"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/storage"
)

// What was promised of the boundary by itself.
const (
	minBoundaryGBps = 1.0
	maxUnaryMicros  = 150
)

// boundary is what crosses between a host and a plugin that does nothing.
type boundary struct {
	ways  []way
	unary []time.Duration
}

// way is one that bytes take.
type way struct {
	name  string
	bytes int64
	took  []time.Duration
	cpu   []time.Duration // of host and plugin
}

func (w way) gigabytesPerSecond() float64 {
	return float64(w.bytes) / 1e9 / median(w.took).Seconds()
}

func median(d []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(d))[len(d)/2]
}

// unaryCalls are made before they count, and then measured.
const unaryCalls = 2000

func measureBoundary(ctx context.Context, o options) (b boundary, err error) {
	self, err := os.Executable()
	if err != nil {
		return b, err
	}
	size := o.boundaryMiB << 20
	b.ways = []way{{name: "socket, to the plugin"}, {name: "socket, from it"}, {name: "gRPC, to the plugin"}, {name: "gRPC, from it"}}
	var subjects []*host.Storage
	var plugins []*running
	for _, messages := range []bool{false, true} {
		p, err := start(ctx, self, messages, role+"=plugin")
		if err != nil {
			return b, err
		}
		defer p.stop()
		s, err := p.OpenStorage(ctx, host.Configuration{JSON: fmt.Appendf(nil, `{"bytes": %d}`, size)})
		if err != nil {
			return b, err
		}
		plugins, subjects = append(plugins, p), append(subjects, s)
	}
	for range o.rounds {
		for i := range b.ways {
			s, do := subjects[i/2], put
			if i%2 == 1 {
				do = get
			}
			took, cpu, err := timed(plugins[i/2].PID(), func() error { return do(ctx, s, size) })
			if err != nil {
				return b, err
			}
			b.ways[i].bytes, b.ways[i].took, b.ways[i].cpu = size, append(b.ways[i].took, took), append(b.ways[i].cpu, cpu)
		}
	}
	for i := range 2 * unaryCalls {
		began := time.Now()
		if _, err := subjects[0].Stat(ctx, "key"); err != nil {
			return b, err
		}
		if i >= unaryCalls {
			b.unary = append(b.unary, time.Since(began))
		}
	}
	return b, nil
}

// timed measures how long something takes, and how much CPU time of this process and
// the plugin.
func timed(pid int, do func() error) (took, cpu time.Duration, err error) {
	used := func() (sum time.Duration) {
		for _, p := range []int{os.Getpid(), pid} {
			u, failed := procstat.Read(p)
			if failed != nil {
				err = failed
			}
			sum += u.CPU
		}
		return sum
	}
	before, began := used(), time.Now()
	if failed := do(); failed != nil {
		return 0, 0, failed
	}
	took = time.Since(began)
	return took, used() - before, err
}

func put(ctx context.Context, s *host.Storage, size int64) error {
	return s.Put(ctx, "key", storage.Once(io.LimitReader(unchanging{}, size), size))
}

func get(ctx context.Context, s *host.Storage, size int64) error {
	in, err := s.Get(ctx, "key", storage.Range{})
	if err != nil {
		return err
	}
	defer in.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, in, make([]byte, pieceBytes))
	if err == nil && n != size {
		err = errShort
	}
	return err
}

func (b boundary) table() report.Table {
	t := report.Table{Header: []string{"boundary", "GB/s", "CPU seconds per GB"}}
	for _, w := range b.ways {
		t.Rows = append(t.Rows, []string{w.name, fmt.Sprintf("%.2f", w.gigabytesPerSecond()), fmt.Sprintf("%.2f", median(w.cpu).Seconds()/(float64(w.bytes)/1e9))})
	}
	t.Rows = append(t.Rows, []string{"a call", fmt.Sprintf("%.0f µs", micros(median(b.unary))), ""})
	return t
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func (b boundary) targets() []report.Target {
	return []report.Target{
		report.AtLeast("socket, to the plugin", "%.2f GB/s", minBoundaryGBps, b.ways[0].gigabytesPerSecond()),
		report.AtLeast("socket, from the plugin", "%.2f GB/s", minBoundaryGBps, b.ways[1].gigabytesPerSecond()),
		report.AtMost("a call", "%.0f µs", maxUnaryMicros, micros(median(b.unary))),
	}
}
