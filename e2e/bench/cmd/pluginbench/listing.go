package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/procstat"
	"github.com/corral-fleet/corral/e2e/bench/report"
	"github.com/corral-fleet/corral/e2e/bench/stage"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/storage"
)

// What was promised of a listing. That memory is flat is that it grows by no more than a
// few pages take.
const (
	maxFirstPageMillis = 100
	maxListingGrowthMB = 16
)

// pageLimit is how many entries a page has.
const pageLimit = 1000

// listing is what one of many files costs.
type listing struct {
	first         []time.Duration // pages
	all           time.Duration   // in one go
	before, after uint64          // bytes of memory of the plugin
}

func measureListing(ctx context.Context, st *stage.Stage, o options) (l listing, err error) {
	dir, err := st.Folder("files")
	if err != nil {
		return l, err
	}
	for i := range o.files {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("file-%07d", i)), nil, 0o600); err != nil {
			return l, err
		}
	}
	p, err := start(ctx, o.fs, false)
	if err != nil {
		return l, err
	}
	defer p.stop()
	config, err := json.Marshal(map[string]any{"directory": dir})
	if err != nil {
		return l, err
	}
	s, err := p.OpenStorage(ctx, host.Configuration{JSON: config})
	if err != nil {
		return l, err
	}
	if l.before, err = procstat.PeakRSS(p.PID()); err != nil {
		return l, err
	}
	for range max(o.rounds, 10) {
		began := time.Now()
		if _, err := s.Page(ctx, storage.PageRequest{Folders: true, Limit: pageLimit}); err != nil {
			return l, err
		}
		l.first = append(l.first, time.Since(began))
	}
	if err := goThrough(ctx, s, o.files); err != nil {
		return l, err
	}
	began, n := time.Now(), 0
	for _, err := range s.List(ctx, "") {
		if err != nil {
			return l, err
		}
		n++
	}
	l.all = time.Since(began)
	if n != o.files {
		return l, errShort
	}
	l.after, err = procstat.PeakRSS(p.PID())
	return l, err
}

// goThrough looks at all pages.
func goThrough(ctx context.Context, s *host.Storage, files int) error {
	r, n := storage.PageRequest{Folders: true, Limit: pageLimit}, 0
	for {
		page, err := s.Page(ctx, r)
		if err != nil {
			return err
		}
		if n += len(page.Objects); page.NextToken == "" {
			break
		}
		r.Token = page.NextToken
	}
	if n != files {
		return errShort
	}
	return nil
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (l listing) growthMB() float64 { return float64(l.after-l.before) / 1e6 }

func (l listing) table() report.Table {
	return report.Table{
		Header: []string{"listing", "first page", "slowest of them", "as a whole", "memory before", "highest"},
		Rows: [][]string{{
			"storage-fs", fmt.Sprintf("%.0f ms", millis(median(l.first))), fmt.Sprintf("%.0f ms", millis(slowest(l.first))),
			fmt.Sprintf("%.0f ms", millis(l.all)), fmt.Sprintf("%.1f MB", float64(l.before)/1e6), fmt.Sprintf("%.1f MB", float64(l.after)/1e6),
		}},
	}
}

func slowest(d []time.Duration) (most time.Duration) {
	for _, one := range d {
		most = max(most, one)
	}
	return most
}

func (l listing) targets() []report.Target {
	return []report.Target{
		report.AtMost("first page of a listing", "%.0f ms", maxFirstPageMillis, millis(median(l.first))),
		report.AtMost("memory that a listing adds", "%.1f MB", maxListingGrowthMB, l.growthMB()),
	}
}
