package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/corral-fleet/corral/sdk/client"
)

const (
	// bringLimit is how long a model may take to a host, and from it.
	bringLimit = 10 * time.Minute
	// lookEvery is how often an operation is looked at: often enough to see it go back.
	lookEvery = 20 * time.Millisecond
)

// course is how a model came to a host.
type course struct {
	took  time.Duration // from the request to the end of the operation, by the control plane's clock
	wrong int           // how often its progress went back, and 1 more where it did not end with all bytes
	steps []string      // its phases, each with how long it was seen
}

// stepped notes that the operation is in another phase.
func (c *course) stepped(phase string, since time.Time) time.Time {
	now := time.Now()
	if phase != "" {
		c.steps = append(c.steps, fmt.Sprintf("%s %.1f s", phase, now.Sub(since).Seconds()))
	}
	return now
}

// bring has a host get a model, and returns when it has it.
func (s *scene) bring(ctx context.Context, model string, h *host) (course, error) {
	var c course
	old := map[string]bool{}
	list, err := s.api.Operations(ctx, client.OperationQuery{Model: model})
	if err != nil {
		return c, err
	}
	for _, op := range list {
		old[op.ID] = true
	}
	began := time.Now()
	if _, err := s.api.DownloadModel(ctx, model, client.Placement{Hosts: []string{h.name}}); err != nil {
		return c, err
	}
	every := time.NewTicker(lookEvery)
	defer every.Stop()
	deadline := time.NewTimer(bringLimit)
	defer deadline.Stop()
	var last client.Operation
	since := began
	for {
		op, err := s.operation(ctx, model, h.name, old)
		switch {
		case err != nil:
			return c, err
		case op == nil: // the control plane has not come to it
		case op.State == client.OperationFailed, op.State == client.OperationCancelled, op.Error != "":
			return c, fmt.Errorf("the operation is %s: %s\n%s", op.State, op.Error, h.agent.Output())
		default:
			if op.DoneBytes < last.DoneBytes || op.Progress < last.Progress || last.TotalBytes > 0 && op.TotalBytes != last.TotalBytes {
				c.wrong++
			}
			if op.Phase != last.Phase {
				since = c.stepped(last.Phase, since)
			}
			last = *op
		}
		if last.State == client.OperationDone {
			if last.DoneBytes != last.TotalBytes || last.TotalBytes == 0 || last.Progress != 100 {
				c.wrong++
			}
			c.took = last.EndedAt.Sub(began)
			c.stepped(last.Phase, since)
			return c, nil
		}
		select {
		case <-every.C:
		case <-deadline.C:
			return c, fmt.Errorf("the operation is still %s: %s", last.State, last.Phase)
		case <-ctx.Done():
			return c, ctx.Err()
		}
	}
}

// operation returns the download of a model to a host that is none of the old ones; nil is
// that there is none yet.
func (s *scene) operation(ctx context.Context, model, host string, old map[string]bool) (*client.Operation, error) {
	list, err := s.api.Operations(ctx, client.OperationQuery{Model: model})
	if err != nil {
		return nil, err
	}
	for i := range list {
		if op := &list[i]; op.Kind == "download" && op.Host == host && !old[op.ID] {
			return op, nil
		}
	}
	return nil, nil
}

// remove has a host let go of a model, and returns when nothing of it is there.
func (s *scene) remove(ctx context.Context, model string, h *host) error {
	if _, err := s.api.DeleteModel(ctx, model, client.Deletion{Hosts: []string{h.name}}); err != nil {
		return err
	}
	return await(ctx, bringLimit, func() error {
		is, err := s.api.Model(ctx, model)
		if err != nil {
			return err
		}
		if len(is.WantedOn) > 0 || is.Progress != nil {
			return fmt.Errorf("the model %s is on its way from %s", model, h.name)
		}
		return empty(h.models)
	})
}

// empty says why a folder of models has any.
func empty(models string) error {
	blobs, err := os.ReadDir(filepath.Join(models, "blobs"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, b := range blobs {
		if strings.HasPrefix(b.Name(), "sha256-") {
			return fmt.Errorf("%s is still in %s", b.Name(), models)
		}
	}
	return err
}
