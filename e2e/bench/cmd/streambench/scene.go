package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/child"
	"github.com/corral-fleet/corral/e2e/bench/load"
	"github.com/corral-fleet/corral/e2e/bench/pair"
	"github.com/corral-fleet/corral/e2e/bench/stage"
	"github.com/corral-fleet/corral/e2e/bench/standin"
)

// The names of the paths.
const (
	direct = "direct"
	corral = "corral"
)

// readyLimit is how long a path may take to its first answer.
const readyLimit = 30 * time.Second

// path is one way to the stand-in.
type path struct {
	name    string
	request load.Request
}

// part is what is measured as one: a process, or all agents.
type part struct {
	name string
	pids []int
}

// scene is what a load is measured on.
type scene struct {
	paths []path // the direct one first
	parts []part // all that have to do with a token
}

// setScene starts a stand-in for a load and what lies before it, and returns
// when every path has answered.
func setScene(ctx context.Context, st *stage.Stage, o options, l streamLoad) (*scene, error) {
	ollama, err := startStandIn(ctx, st, l)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	address, err := ollama.Address(limited)
	if err != nil {
		return nil, err
	}
	s := &scene{parts: []part{{name: "stand-in", pids: []int{ollama.PID()}}, {name: "load", pids: []int{os.Getpid()}}}}
	add := func(name, url, key string) error {
		r := load.Request{URL: url + "/api/chat", Key: key, Body: body(1)}
		if err := pair.AwaitAnswer(limited, r); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		r.Body = body(l.tokens())
		s.paths = append(s.paths, path{name: name, request: r})
		return nil
	}
	if err := add(direct, "http://"+address, ""); err != nil {
		return nil, err
	}
	if o.controlPlane == "" {
		return s, nil
	}
	cp, err := pair.StartControlPlane(ctx, o.controlPlane, st.Path("controlplane"))
	if err != nil {
		return nil, err
	}
	st.Add(cp.Stop)
	agents, err := cp.Hosts(ctx, st, o.agent, o.agents, "http://"+address)
	if err != nil {
		return nil, err
	}
	all := part{name: fmt.Sprintf("agents, %d in all", len(agents))}
	for _, a := range agents {
		all.pids = append(all.pids, a.PID())
	}
	s.parts = append([]part{{name: controlPlane, pids: []int{cp.PID()}}, all}, s.parts...)
	return s, add(corral, cp.URL, cp.Key)
}

// controlPlane is the name of the part that the targets are about.
const controlPlane = "control plane"

// startStandIn starts this program once more, as a stand-in whose answers have
// as many tokens as they are asked for, in the pace of a load.
func startStandIn(ctx context.Context, st *stage.Stage, l streamLoad) (*child.Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	argv := []string{self, "standin", "-pace", l.pace().String(), "-tokens", strconv.Itoa(l.tokens())}
	process, err := child.Start(ctx, "stand-in", argv, nil)
	if err != nil {
		return nil, err
	}
	st.Add(process.Stop)
	return process, nil
}

// body is a request for an answer of some tokens.
func body(tokens int) []byte {
	return fmt.Appendf(nil, `{"model":%q,"messages":[{"role":"user","content":"Why is the sky blue?"}],"options":{"num_predict":%d}}`,
		standin.Model, tokens)
}
