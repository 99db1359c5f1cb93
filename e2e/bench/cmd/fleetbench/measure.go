package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/pair"
	"github.com/corral-fleet/corral/e2e/bench/procstat"
	"github.com/corral-fleet/corral/e2e/bench/stage"
	"github.com/corral-fleet/corral/e2e/bench/storm"
)

const (
	gpusPerHost = 8
	models      = 6
	// joinLimit is how long a fleet may take to join, and backLimit to be back.
	joinLimit = 5 * time.Minute
	backLimit = 2 * time.Minute
	// ackedLimit is how long samples may take to be acknowledged.
	ackedLimit = time.Minute
	// checkedEvery is the share of the hosts whose history is read and counted.
	checkedEvery = 10
)

// result is what was measured; what was left out has no hosts.
type result struct {
	busy, idle   fleetLoad
	taken        int // samples by the hosts that were checked
	stored       int // of theirs, in the history
	checkedHosts int
}

// fleetLoad is what one fleet cost, and how it came back after a crash.
type fleetLoad struct {
	hosts  int
	joined time.Duration
	load   procstat.Load
	late   time.Duration // the latest heartbeat
	back   comeback
}

// comeback is how a fleet came back.
type comeback struct {
	waits []time.Duration // of each host, after the restarted control plane listened; in order
}

// working measures hosts that report once a second.
func (r *result) working(ctx context.Context, st *stage.Stage, o options, progress io.Writer) error {
	cp, err := pair.StartControlPlane(ctx, o.controlPlane, st.Path("working"))
	if err != nil {
		return err
	}
	st.Add(cp.Stop)
	fleet, err := storm.Simulate(storm.Options{Address: cp.Address(), Token: cp.Token, Hosts: o.hosts, GPUsPerHost: gpusPerHost, Models: models})
	if err != nil {
		return err
	}
	fmt.Fprintf(progress, "%d hosts join\n", o.hosts)
	if r.busy, err = measure(ctx, st, o, cp, fleet, o.hosts); err != nil {
		return err
	}
	fleet.Rest()
	fmt.Fprintln(progress, "their history is read")
	if err := await(ctx, ackedLimit, func() error {
		if _, waiting := fleet.Samples(); waiting > 0 {
			return fmt.Errorf("%d samples are not acknowledged", waiting)
		}
		return nil
	}); err != nil {
		return err
	}
	for i, host := range fleet.Hosts() {
		if i%checkedEvery != 0 {
			continue
		}
		stored, err := storedOf(ctx, cp, host.Name)
		if err != nil {
			return err
		}
		r.checkedHosts, r.taken, r.stored = r.checkedHosts+1, r.taken+host.Taken, r.stored+stored
	}
	return nil
}

// resting measures hosts that say nothing but that they are there.
func (r *result) resting(ctx context.Context, st *stage.Stage, o options, progress io.Writer) error {
	cp, err := pair.StartControlPlane(ctx, o.controlPlane, st.Path("resting"))
	if err != nil {
		return err
	}
	st.Add(cp.Stop)
	fleet, err := storm.New(cp.Address(), cp.Token, o.idle)
	if err != nil {
		return err
	}
	if err := fleet.Secure(); err != nil {
		return err
	}
	fmt.Fprintf(progress, "%d idle hosts join by TLS\n", o.idle)
	o.settle, o.over = o.idleSettle, o.over/2
	r.idle, err = measure(ctx, st, o, cp, fleet, o.idle)
	return err
}

// measure has a fleet join, watches the control plane, and crashes it.
func measure(ctx context.Context, st *stage.Stage, o options, cp *pair.ControlPlane, fleet *storm.Fleet, count int) (fleetLoad, error) {
	l := fleetLoad{hosts: count}
	running, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- fleet.Run(running) }()
	st.Add(func() error { end(); return <-ended })
	connected := func() error {
		if n := fleet.Connected(); n < count {
			return fmt.Errorf("%d of %d hosts are connected\n%s", n, count, cp.Output())
		}
		return nil
	}
	began := time.Now()
	if err := await(ctx, joinLimit, connected); err != nil {
		return l, err
	}
	l.joined = time.Since(began)
	err := pause(ctx, o.settle)
	fleet.Late() // of before
	if err == nil {
		l.load, err = procstat.Watch(ctx, cp.PID(), o.over)
	}
	if err != nil {
		return l, err
	}
	l.late = fleet.Late()
	if err := cp.Crash(); err != nil {
		return l, err
	}
	if err := pause(ctx, o.outage); err != nil {
		return l, err
	}
	fleet.Forget()
	if err := cp.Restart(ctx); err != nil {
		return l, err
	}
	listening := time.Now()
	if err := await(ctx, backLimit, connected); err != nil {
		return l, err
	}
	for _, at := range fleet.Begins() {
		l.back.waits = append(l.back.waits, max(0, at.Sub(listening)))
	}
	return l, nil
}

// await asks until there is no error, and returns the last one after the limit.
func await(ctx context.Context, limit time.Duration, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}
