package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/load"
)

// series is what one path gave, round by round.
type series struct {
	name       string
	first      [][]time.Duration // first tokens of one client
	rates      []float64         // complete streams of the crowd, a second
	complete   int
	broken     int
	lines      int // of the complete streams
	firstBreak error
}

// count adds one answer of a single client.
func (s *series) count(t load.Timing, err error) {
	if err == nil {
		s.complete++
		s.lines += t.Lines
		return
	}
	s.broken++
	s.keep(err)
}

// keep keeps the first reason that a stream broke.
func (s *series) keep(err error) {
	if s.firstBreak == nil {
		s.firstBreak = err
	}
}

// warmShare is the part of a turn that goes before what is counted.
const warmShare = 5

// measurement runs the rounds.
type measurement struct {
	options  options
	progress io.Writer // told of each phase
}

// run measures every path. The first round of one client is not counted: it
// warms up processes and connections.
func (m measurement) run(ctx context.Context, paths []path) ([]series, error) {
	list := make([]series, len(paths))
	for i, p := range paths {
		list[i].name = p.name
	}
	fmt.Fprintf(m.progress, "one client: %d rounds\n", m.options.rounds)
	for round := -1; round < m.options.rounds; round++ {
		for _, i := range turns(round, len(paths)) {
			discarded := series{}
			dst := &list[i]
			if round < 0 {
				dst = &discarded
			}
			if err := m.single(ctx, paths[i].request, dst); err != nil {
				return nil, fmt.Errorf("%s: %w", paths[i].name, err)
			}
		}
	}
	fmt.Fprintf(m.progress, "%d clients: %d rounds of %v\n", m.options.clients, m.options.crowdRounds, m.options.window)
	crowd := load.Crowd{Clients: m.options.clients, Warmup: m.options.window / warmShare, Window: m.options.window, Timeout: answerLimit}
	for round := range m.options.crowdRounds {
		for _, i := range turns(round, len(paths)) {
			tally, err := crowd.Run(ctx, paths[i].request)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", paths[i].name, err)
			}
			list[i].addCrowd(tally)
		}
	}
	return list, nil
}

// turns returns the order of n paths in a round: each starts as often as the
// others.
func turns(round, n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = (i + max(round, 0)) % n
	}
	return order
}

// single asks with one client, one request after the other.
func (m measurement) single(ctx context.Context, r load.Request, s *series) error {
	client, err := load.Dial(ctx, r, answerLimit)
	if err != nil {
		return err
	}
	defer func() { client.Close() }()
	warm := max(m.options.requests/warmShare, 1)
	first := make([]time.Duration, 0, m.options.requests)
	for n := range warm + m.options.requests {
		t, err := client.Chat()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.count(t, err)
		if err == nil && n >= warm {
			first = append(first, t.FirstToken)
		}
		if err != nil || client.Spent() {
			client.Close()
			if client, err = load.Dial(ctx, r, answerLimit); err != nil {
				return err
			}
		}
	}
	s.first = append(s.first, first)
	return nil
}

// addCrowd adds one turn of the crowd.
func (s *series) addCrowd(t load.Tally) {
	s.rates = append(s.rates, t.Rate())
	s.complete += t.Complete
	s.broken += t.Broken
	s.lines += t.Lines
	if t.FirstBreak != nil {
		s.keep(t.FirstBreak)
	}
}
