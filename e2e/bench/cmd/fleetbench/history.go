package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/pair"
)

// historyLimit is more samples than a host takes while it is measured.
const historyLimit = 10_000

// storedOf returns how many samples the history has of a host, each moment once.
func storedOf(ctx context.Context, cp *pair.ControlPlane, host string) (int, error) {
	query := url.Values{"host": {host}, "limit": {fmt.Sprint(historyLimit)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, cp.URL+"/api/history?"+query.Encode(), nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+cp.Key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var answer struct {
		Samples []struct {
			TakenAt time.Time `json:"taken_at"`
		}
		Truncated bool
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return 0, fmt.Errorf("read the history of %s: %w", host, err)
	}
	if resp.StatusCode != http.StatusOK || answer.Truncated {
		return 0, fmt.Errorf("read the history of %s: status %d, truncated: %v", host, resp.StatusCode, answer.Truncated)
	}
	return len(answer.Samples), nil
}
