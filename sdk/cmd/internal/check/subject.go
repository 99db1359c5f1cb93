package check

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"

	"github.com/corral-fleet/corral/sdk/cmd/internal/configfile"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/plugin"
	"github.com/corral-fleet/corral/sdk/storage/storagetest"
)

// subject is the plugin that is checked.
type subject struct {
	Options
	program     host.Program
	heard       *heard // all that it has logged and printed
	description plugin.Description
	config      host.Configuration
	onlyReads   bool              // it is a storage that can only be read
	known       storagetest.Known // what it has then
	report      Report
	unanswered  int // checks in a row
	limits      limits
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

// with starts a process of its own, opens an instance, and stops it afterwards.
func (s *subject) with(ctx context.Context, do func(*host.Process, instance) error) error {
	running, err := host.Start(ctx, s.program)
	if err != nil {
		return err
	}
	defer running.Stop()
	i, err := s.instance(ctx, running, s.config)
	if err != nil {
		return err
	}
	return do(running, i)
}

// withStorage is with for a storage.
func (s *subject) withStorage(ctx context.Context, do func(*host.Process, *host.Storage) error) error {
	return s.with(ctx, func(p *host.Process, i instance) error { return do(p, i.(storageInstance).Storage) })
}

// withLoader is with for a loader.
func (s *subject) withLoader(ctx context.Context, do func(*host.Process, *host.Loader) error) error {
	return s.with(ctx, func(p *host.Process, i instance) error { return do(p, i.(loaderInstance).Loader) })
}
