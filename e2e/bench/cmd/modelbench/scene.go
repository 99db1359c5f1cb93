package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/child"
	"github.com/corral-fleet/corral/e2e/bench/pair"
	"github.com/corral-fleet/corral/e2e/bench/stage"
	"github.com/corral-fleet/corral/sdk/client"
)

const (
	// startLimit is how long something that was started may take to be ready.
	startLimit = time.Minute
	// startPause lies between two looks at whether it is.
	startPause = 50 * time.Millisecond
)

// scene is a control plane, to which hosts with an Ollama of their own can come.
type scene struct {
	stage *stage.Stage
	o     options
	dir   string // for whatever is large; it goes with the stage
	cp    *pair.ControlPlane
	api   *client.Client
}

// newScene starts a control plane.
func newScene(ctx context.Context, st *stage.Stage, o options) (*scene, error) {
	dir, err := os.MkdirTemp(o.dir, "modelbench")
	if err != nil {
		return nil, err
	}
	st.Add(func() error { return os.RemoveAll(dir) })
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	cp, err := pair.StartControlPlane(ctx, o.controlPlane, filepath.Join(dir, "data"))
	if err != nil {
		return nil, err
	}
	st.Add(cp.Stop)
	api, err := client.New(cp.URL, cp.Key, client.Options{UserAgent: "modelbench"})
	if err != nil {
		return nil, err
	}
	return &scene{stage: st, o: o, dir: dir, cp: cp, api: api}, nil
}

// storage configures a storage and returns when it is ready.
func (s *scene) storage(ctx context.Context, name, plugin string, config any) error {
	text, err := json.Marshal(config)
	if err != nil {
		return err
	}
	spec := client.StorageSpec{Name: name, Plugin: plugin, Config: text}
	return await(ctx, startLimit, func() error {
		is, err := s.api.Storage(ctx, name)
		if err != nil {
			_, err = s.api.CreateStorage(ctx, spec, false)
			return errors.Join(errors.New("the storage "+name+" was not there"), err)
		}
		if is.Status != "ready" {
			return fmt.Errorf("the storage %s is %s: %s", name, is.Status, is.Message)
		}
		return nil
	})
}

// host is an agent with an Ollama of its own.
type host struct {
	name   string
	dir    string // of the agent's data
	models string // the folder of the Ollama's models
	agent  *child.Process
}

// host starts a host and returns when its Ollama serves. Behind stands before the
// command that starts its agent, such as a program that takes something away from it.
func (s *scene) host(ctx context.Context, name string, behind ...string) (*host, error) {
	h := &host{name: name, dir: filepath.Join(s.dir, name, "agent"), models: filepath.Join(s.dir, name, "models")}
	if err := os.MkdirAll(h.models, 0o755); err != nil {
		return nil, err
	}
	agent, err := child.Start(ctx, "agent of "+name, append(behind, s.o.agent, "run",
		"--name", name, "--data-dir", h.dir, "--server", s.cp.URL, "--token", s.cp.Token, "--log-format", "json", "--gpu", "none",
		"--ollama-mode", "managed", "--ollama-bin", s.o.ollama, "--ollama-url", "http://127.0.0.1:0", "--ollama-models-dir", h.models), nil)
	if err != nil {
		return nil, err
	}
	s.stage.Add(agent.Stop)
	h.agent = agent
	err = await(ctx, startLimit, func() error {
		is, err := s.api.Host(ctx, name)
		if err == nil && (len(is.Instances) == 0 || is.Instances[0].State != "ready" || !is.Instances[0].ModelsKnown) {
			err = fmt.Errorf("the host %s is %s, and its Ollama does not serve yet", name, is.State)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, agent.Output())
	}
	return h, nil
}

// await asks until there is no error, and returns the last one after the limit.
func await(ctx context.Context, limit time.Duration, ask func() error) error {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	pause := time.NewTicker(startPause)
	defer pause.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-pause.C:
		case <-deadline.C:
			return err
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}
