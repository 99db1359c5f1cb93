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
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Fleet is a number of agents. Its methods may be called concurrently.
type Fleet struct {
	agents    []*agent
	connected atomic.Int32
	sessions  atomic.Int64
	resting   atomic.Bool  // no sample is taken
	late      atomic.Int64 // see [Fleet.Late]
	once      sync.Once
	complete  chan struct{}

	mu     sync.Mutex
	begins []time.Time // of the sessions since [Fleet.Forget]
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
		a := &agent{fleet: f, address: address, token: token, key: key, name: fmt.Sprintf("storm-%d", n), kept: newKept()}
		a.fault.Store(&Fault{})
		f.agents = append(f.agents, a)
	}
	return f, nil
}

// Secure has the fleet connect by TLS. It is called before [Fleet.Run].
func (f *Fleet) Secure() error {
	for _, a := range f.agents {
		var err error
		if a.trust, err = trust(a.token); err != nil {
			return err
		}
	}
	return nil
}

// Rest has the fleet take no more samples.
func (f *Fleet) Rest() { f.resting.Store(true) }

// Samples returns how many samples the fleet has taken, and how many of them are
// not acknowledged.
func (f *Fleet) Samples() (taken, waiting int) {
	for _, a := range f.agents {
		t, w := a.kept.counts()
		taken, waiting = taken+t, waiting+w
	}
	return taken, waiting
}

// Host is one simulated host.
type Host struct {
	Name  string
	Taken int // samples
}

// Hosts returns the fleet's hosts.
func (f *Fleet) Hosts() []Host {
	hosts := make([]Host, len(f.agents))
	for i, a := range f.agents {
		taken, _ := a.kept.counts()
		hosts[i] = Host{a.name, taken}
	}
	return hosts
}

// Forget forgets when sessions began.
func (f *Fleet) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begins = nil
}

// Begins returns when sessions began since [Fleet.Forget], in that order.
func (f *Fleet) Begins() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.begins)
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
	f.mu.Lock()
	f.begins = append(f.begins, time.Now())
	f.mu.Unlock()
	f.sessions.Add(1)
	if int(f.connected.Add(1)) == len(f.agents) {
		f.once.Do(func() { close(f.complete) })
	}
}

// Sessions returns how many sessions have begun.
func (f *Fleet) Sessions() int { return int(f.sessions.Load()) }
