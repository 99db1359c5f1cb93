package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/corral-fleet/corral/sdk/cmd/internal/configfile"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/plugin"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/storagetest"
)

// subject is the plugin that is checked.
type subject struct {
	Options
	program     host.Program
	heard       *heard // all that it has logged and printed
	description plugin.Description
	config      host.Configuration
	report      Report
}

// heard is a log that is kept.
type heard struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(p)
}

func (h *heard) contains(text string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return bytes.Contains(h.text.Bytes(), []byte(text))
}

// check runs all checks. An error is that they could not be run.
func (s *subject) check(ctx context.Context) (*Report, error) {
	running, err := host.Start(ctx, s.program)
	if err != nil {
		return nil, err
	}
	defer running.Stop()
	if err := s.learn(ctx, running); err != nil {
		return nil, err
	}
	s.report = Report{Plugin: s.description.Name, Version: s.description.Version, Kind: s.description.Kind, SHA256: s.program.SHA256}
	if s.description.Kind != "storage" {
		return nil, fault.New(fault.NotImplemented, "there are no checks for a plugin of the kind %q", s.description.Kind)
	}
	switch faults, err := running.Check(ctx, s.config, false); {
	case err != nil:
		return nil, fmt.Errorf("check the configuration: %w", err)
	case len(faults) > 0:
		return nil, &config.Faults{List: faults}
	}
	b, err := running.OpenStorage(ctx, s.config)
	if err != nil {
		return nil, fmt.Errorf("open an instance of the configuration: %w", err)
	}
	s.report.Capabilities = b.Capabilities().String()
	for _, c := range storagetest.Checks() {
		if !s.runs(c.ID) {
			continue
		}
		if err := clearOut(ctx, b); err != nil {
			return nil, fmt.Errorf("clear what a check has left: %w", err)
		}
		r := c.Try(ctx, b)
		s.report.add(c.ID, c.Sentence, r)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	if err := clearOut(ctx, b); err != nil {
		return nil, fmt.Errorf("clear what a check has left: %w", err)
	}
	for _, c := range processChecks() {
		if !s.runs(c.id) || c.soak && !s.Soak {
			continue
		}
		s.report.add(c.id, c.sentence, s.try(ctx, c))
	}
	return &s.report, nil
}

// learn asks the plugin what it is, and reads the configuration for it.
func (s *subject) learn(ctx context.Context, running *host.Process) error {
	described, err := running.Describe(ctx)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(described, &s.description); err != nil {
		return fault.Wrap(fault.Invalid, err, "what the plugin says of itself is not JSON").On(fault.Plugin)
	}
	if s.Config == "" {
		return nil
	}
	s.config, err = configfile.Read(s.Config, s.description.Secrets)
	return err
}

// clearOut deletes what checks store.
func clearOut(ctx context.Context, b storage.Backend) error {
	var keys []string
	for info, err := range b.List(ctx, "st/") {
		if err != nil {
			return err
		}
		keys = append(keys, info.Key)
	}
	for _, key := range keys {
		if err := b.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// try runs a check of the process.
func (s *subject) try(ctx context.Context, c processCheck) storagetest.Result {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	began := time.Now()
	r := storagetest.Result{Verdict: storagetest.Passed}
	if err := c.try(ctx, s); errors.Is(err, errNotDeclared) {
		r.Verdict = storagetest.NotDeclared
	} else if err != nil {
		r.Verdict = storagetest.Failed
		for line := range strings.SplitSeq(err.Error(), "\n") {
			r.Faults = append(r.Faults, line)
		}
	}
	r.Took = time.Since(began)
	return r
}

// with starts a process of its own, opens an instance, and stops it afterwards.
func (s *subject) with(ctx context.Context, do func(*host.Process, *host.Storage) error) error {
	running, err := host.Start(ctx, s.program)
	if err != nil {
		return err
	}
	defer running.Stop()
	b, err := running.OpenStorage(ctx, s.config)
	if err != nil {
		return err
	}
	return errors.Join(do(running, b))
}
