package main

import (
	"context"
	"fmt"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/procstat"
)

// result is what one run measured.
type result struct {
	many manyStreams
	fast []series
}

// manyStreams is what many streams came to.
type manyStreams struct {
	path string // that they took
	hearing
	uses []use
}

// use is what a part used of the machine.
type use struct {
	part
	idle uint64        // bytes resident without streams
	peak uint64        // bytes resident with them
	cpu  time.Duration // in the window
	over time.Duration // the window, as it was measured
}

// series is what one path gave, round by round.
type series struct {
	path
	rounds []hearing
	uses   []use // of all rounds together; without memory
}

// measureMany watches the parts without streams, then with them on the path
// through Corral, or on the direct one where there is no other.
func (o options) measureMany(ctx context.Context, s *scene) (manyStreams, error) {
	through := s.paths[len(s.paths)-1]
	m := manyStreams{path: through.name, uses: usesOf(s.parts)}
	if err := watch(ctx, m.uses, o.idle, func(u *use, l procstat.Load) { u.idle += l.Last.RSS }); err != nil {
		return m, err
	}
	var err error
	m.hearing, err = o.many.hear(ctx, through.request, func(ctx context.Context) error {
		return watch(ctx, m.uses, o.many.window, (*use).add)
	})
	if err != nil {
		return m, fmt.Errorf("%s: %w", through.name, err)
	}
	return m, nil
}

// measureFast gives each path its turn in each round, and each place in turn.
func (o options) measureFast(ctx context.Context, s *scene) ([]series, error) {
	list := make([]series, len(s.paths))
	for i := range list {
		list[i] = series{path: s.paths[i], uses: usesOf(s.parts)}
	}
	for round := range o.rounds {
		for i := range list {
			one := &list[(i+round)%len(list)]
			h, err := o.fast.hear(ctx, one.request, func(ctx context.Context) error {
				return watch(ctx, one.uses, o.fast.window, (*use).add)
			})
			if err != nil {
				return nil, fmt.Errorf("%s: %w", one.name, err)
			}
			one.rounds = append(one.rounds, h)
		}
	}
	return list, nil
}

func usesOf(parts []part) []use {
	uses := make([]use, len(parts))
	for i, p := range parts {
		uses[i].part = p
	}
	return uses
}

// watch reads all processes over some time, and has each noted.
func watch(ctx context.Context, uses []use, over time.Duration, note func(*use, procstat.Load)) error {
	var pids []int
	for _, u := range uses {
		pids = append(pids, u.pids...)
	}
	loads, err := procstat.WatchAll(ctx, pids, over)
	if err != nil {
		return err
	}
	for i := range uses {
		for range uses[i].pids {
			note(&uses[i], loads[0])
			loads = loads[1:]
		}
	}
	return nil
}

// add notes what one of the part's processes used in a window.
func (u *use) add(l procstat.Load) {
	u.peak += l.PeakRSS
	u.cpu += l.CPU
	u.over += l.Over / time.Duration(len(u.pids))
}
