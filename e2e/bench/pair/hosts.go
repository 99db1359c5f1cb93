package pair

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/child"
	"github.com/corral-fleet/corral/e2e/bench/stage"
)

// hostsLimit is how long hosts may take until requests may go to all of them.
const hostsLimit = time.Minute

// Hosts starts as many agents as count before the Ollama at ollamaURL, and
// returns when the control plane knows of each that it has a model in memory.
// The stage ends them.
func (c *ControlPlane) Hosts(ctx context.Context, st *stage.Stage, binary string, count int, ollamaURL string) ([]*child.Process, error) {
	agents := make([]*child.Process, 0, count)
	for n := range count {
		agent, err := c.Join(ctx, binary, st.Path(fmt.Sprintf("agent-%d", n)), ollamaURL)
		if err != nil {
			return nil, err
		}
		st.Add(agent.Stop)
		agents = append(agents, agent)
	}
	limited, cancel := context.WithTimeout(ctx, hostsLimit)
	defer cancel()
	if err := c.awaitLoaded(limited, count); err != nil {
		return nil, fmt.Errorf("%w\ncontrol plane:\n%s\nan agent:\n%s", err, c.Output(), agents[0].Output())
	}
	return agents, nil
}

// awaitLoaded asks until there are as many models in memory as count.
func (c *ControlPlane) awaitLoaded(ctx context.Context, count int) error {
	pause := time.NewTicker(readyPause)
	defer pause.Stop()
	for {
		loaded, err := c.loaded(ctx)
		if err == nil && loaded >= count {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d hosts have a model in memory, at the last look: %w", loaded, count, errors.Join(err, ctx.Err()))
		case <-pause.C:
		}
	}
}

// loaded returns how many models are in memory, each counted on every host.
func (c *ControlPlane) loaded(ctx context.Context) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+"/api/ps", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+c.Key)
	req.Close = true // a connection that stays open counts among the clients'
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var told struct{ Models []json.RawMessage }
	if err := json.NewDecoder(resp.Body).Decode(&told); err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %d", resp.StatusCode)
	}
	return len(told.Models), nil
}
