// Package storm is a fleet of agents that all come back at once, as they do when
// their control plane was away.
//
// An agent here is the agents' protocol and nothing behind it: it proves a key of
// its own, answers pings and keeps its session for as long as it can. In a fleet
// from [Simulate] there is a made-up machine behind each.
package storm

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// Fleet is a number of agents. Its methods may be called concurrently.
type Fleet struct {
	agents    []*agent
	connected atomic.Int32
	sessions  atomic.Int64
	once      sync.Once
	complete  chan struct{}
}

// New returns a fleet of count agents that are to join the control plane at
// address, such as 127.0.0.1:11435, by a token that so many may use.
func New(address, token string, count int) (*Fleet, error) {
	f := &Fleet{complete: make(chan struct{})}
	for n := range count {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			return nil, fmt.Errorf("storm: make a key: %w", err)
		}
		f.agents = append(f.agents, &agent{fleet: f, address: address, token: token, key: key, name: fmt.Sprintf("storm-%d", n)})
	}
	return f, nil
}

// Run keeps every agent connected until ctx ends. One that is refused for good
// ends with an error, and the others go on.
func (f *Fleet) Run(ctx context.Context) error {
	failed := make([]error, len(f.agents))
	var wg sync.WaitGroup
	for i, a := range f.agents {
		wg.Go(func() { failed[i] = a.run(ctx) })
	}
	wg.Wait()
	return errors.Join(failed...)
}

// Connected returns how many agents have a session.
func (f *Fleet) Connected() int { return int(f.connected.Load()) }

// Complete returns a channel that is closed once every agent has been connected
// at the same time.
func (f *Fleet) Complete() <-chan struct{} { return f.complete }

// begin counts a session that begins.
func (f *Fleet) begin() {
	f.sessions.Add(1)
	if int(f.connected.Add(1)) == len(f.agents) {
		f.once.Do(func() { close(f.complete) })
	}
}

// Sessions returns how many sessions have begun.
func (f *Fleet) Sessions() int { return int(f.sessions.Load()) }
