package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/corral-fleet/corral/e2e/bench/child"
	"github.com/corral-fleet/corral/e2e/bench/load"
	"github.com/corral-fleet/corral/e2e/bench/nginxhop"
	"github.com/corral-fleet/corral/e2e/bench/pair"
	"github.com/corral-fleet/corral/e2e/bench/stage"
)

// parts starts what a run needs, and leaves it on the stage.
type parts struct {
	*stage.Stage
	options options
	nginx   string // path of the program
}

// build starts the stand-in and what lies before it, and returns the paths.
func (p parts) build(ctx context.Context) ([]path, error) {
	ollama, err := p.startStandIn(ctx)
	if err != nil {
		return nil, err
	}
	hop := ollama
	for _, name := range []string{"nginx-inner", "nginx-outer"} {
		if hop, err = p.startNginx(ctx, name, hop); err != nil {
			return nil, err
		}
	}
	paths := []path{
		{name: direct, request: load.Request{URL: "http://" + ollama + chatRoute, Body: chatBody}},
		{name: nginx, request: load.Request{URL: "http://" + hop + chatRoute, Body: chatBody}},
	}
	switch {
	case p.options.corralURL != "":
		paths = append(paths, path{name: corral, request: load.Request{URL: p.options.corralURL + chatRoute, Key: p.options.key, Body: chatBody}})
	case p.options.controlPlane != "":
		through, err := p.startCorral(ctx, ollama)
		if err != nil {
			return nil, err
		}
		paths = append(paths, through)
	}
	return paths, nil
}

// startStandIn starts this program once more, as the stand-in, and returns
// its address.
func (p parts) startStandIn(ctx context.Context) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	argv := []string{self, "standin", "-listen", p.options.standInListen, "-tokens", strconv.Itoa(p.options.tokens)}
	process, err := child.Start(ctx, "stand-in", argv, nil)
	if err != nil {
		return "", err
	}
	p.Add(process.Stop)
	limited, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	return process.Address(limited)
}

// startNginx starts one hop before upstream and returns its address.
func (p parts) startNginx(ctx context.Context, name, upstream string) (string, error) {
	dir, err := p.Folder(name)
	if err != nil {
		return "", err
	}
	hop, err := nginxhop.Start(ctx, p.nginx, dir, upstream)
	if err != nil {
		return "", err
	}
	p.Add(hop.Stop)
	return hop.Address, nil
}

// startCorral starts a control plane and its agents before the stand-in, and
// returns when requests may go to all of them and a first answer has come.
func (p parts) startCorral(ctx context.Context, ollama string) (path, error) {
	cp, err := pair.StartControlPlane(ctx, p.options.controlPlane, p.Path("controlplane"))
	if err != nil {
		return path{}, err
	}
	p.Add(cp.Stop)
	agents, err := cp.Hosts(ctx, p.Stage, p.options.agent, p.options.hosts, "http://"+ollama)
	if err != nil {
		return path{}, err
	}
	request := load.Request{URL: cp.URL + chatRoute, Key: cp.Key, Body: chatBody}
	limited, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	if err := pair.AwaitAnswer(limited, request); err != nil {
		return path{}, fmt.Errorf("%w\ncontrol plane:\n%s\nan agent:\n%s", err, cp.Output(), agents[0].Output())
	}
	return path{name: corral, request: request}, nil
}
