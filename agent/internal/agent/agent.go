// Package agent puts an agent together. Reading it shows the whole program:
// what runs, and who tells whom.
package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/agent/internal/config"
	"github.com/corral-fleet/corral/agent/internal/demo"
	"github.com/corral-fleet/corral/agent/internal/gpu/monitor"
	"github.com/corral-fleet/corral/agent/internal/hostmetrics"
	"github.com/corral-fleet/corral/agent/internal/identity"
	"github.com/corral-fleet/corral/agent/internal/logind"
	"github.com/corral-fleet/corral/agent/internal/ollama"
	"github.com/corral-fleet/corral/agent/internal/peers"
	"github.com/corral-fleet/corral/agent/internal/relay"
	"github.com/corral-fleet/corral/agent/internal/status"
	"github.com/corral-fleet/corral/agent/internal/steady"
	"github.com/corral-fleet/corral/agent/internal/uplink"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/sdnotify"
	"github.com/corral-fleet/corral/sdk/wire"
)

// What is kept for a control plane that is away: fifteen minutes at a sample a
// second, and of what is older one every ten seconds for a day.
const (
	recentSamples  = 15 * 60
	olderInterval  = 10 * time.Second
	olderSamples   = 24 * 60 * 60 / 10
	olderDiskBytes = 64 << 20
)

// demoPoll is how often the demo model looks whether Ollama is there yet.
const demoPoll = 200 * time.Millisecond

// Agent is one host's agent.
type Agent struct {
	cfg     config.Config
	version string
	log     hclog.Logger
}

// New returns an agent that does nothing until Run.
func New(cfg config.Config, version string, log hclog.Logger) *Agent {
	return &Agent{cfg: cfg, version: version, log: log}
}

// Run works until ctx ends, takes on no more requests then, and lets those under
// way go on for their grace. It returns nil when everything that the agent
// started is gone, or the first error of a part that cannot go on. How it is, it
// tells the service that it is run as.
func (a *Agent) Run(ctx context.Context, service sdnotify.Service) (err error) {
	if joined, _, err := identity.Peek(a.cfg.DataDir); err == nil && len(a.servers(joined)) == 0 {
		return noServer() // before anything is made
	}
	id, err := identity.Open(a.cfg.DataDir)
	if err != nil {
		return err
	}
	defer id.Close() // releases the lock; nothing is written by it
	if !id.Joined() && a.cfg.Token.Reveal() == "" {
		return fault.New(fault.Invalid, "this agent has not joined a control plane; join one by corral-agent join, or start it with --token and a token from `corral-controlplane token create`")
	}
	gpus := a.gpuMonitor()
	supervised := ollamaConfig(&a.cfg, service.Asked())
	supervised.GPUs = func() ollama.GPUs { return usageOf(gpus) }
	supervisor, err := ollama.New(supervised, a.log.Named("ollama"))
	if err != nil {
		return err
	}
	others, err := a.listenForPeers(ctx, id, supervisor)
	if err != nil {
		return err
	}
	sampler := hostmetrics.New(hostmetrics.Options{Logger: a.log.Named("host")})
	samples := uplink.NewRing(recentSamples, uplink.NewSpool(uplink.SpoolOptions{
		Dir: a.cfg.DataDir, Interval: olderInterval, Samples: olderSamples, Bytes: olderDiskBytes, Log: a.log.Named("uplink"),
	}))
	defer func() { err = errors.Join(err, samples.Close()) }()
	clock := steady.New()
	var link *uplink.Uplink
	jobs := a.modelJobs(id, supervisor, func() string { return link.Status().Server })
	calls := relay.New(map[string]*ollama.Supervisor{wire.DefaultInstance: supervisor}, jobs, a.log.Named("relay"))
	leaving := make(chan struct{})
	link = uplink.New(uplink.Options{
		Servers: a.servers(id.Membership()), Insecure: a.cfg.Insecure, Token: a.cfg.Token.Reveal(), ServerCAFile: a.cfg.ServerCAFile,
		Identity: id, Samples: samples, Steady: clock.Now, Log: a.log.Named("uplink"),
		Facts: func(ctx context.Context) (wire.HostFacts, error) { return a.facts(ctx, sampler, peerAddress(others)) },
		PeerTickets: func(key []byte) {
			if others != nil {
				others.Trust(key)
			}
		},
		Instances: func() []wire.Instance { return []wire.Instance{fit(supervisor.Snapshot())} },
		Changed:   supervisor.Changed(),
		GPUs:      func() *wire.GPUReport { return gpus.Report(instanceOf(supervisor)) }, GPUsChanged: gpus.Changed(),
		Act:     func(ctx context.Context, action *wire.Action) error { return act(ctx, supervisor, gpus, action) },
		Serve:   func(ctx context.Context, stream net.Conn) { calls.Serve(ctx, stream) },
		Leaving: leaving, Grace: a.cfg.DrainGrace,
	})
	report := func() status.Report { return a.report(id, link, supervisor, gpus, others, leaving) }
	network, address := a.cfg.StatusAddress()
	health := status.New(network, address, report, gpus, a.log.Named("status"))
	turning := newPulse(a.cfg.SampleInterval + slowTurn)

	host := logind.New(uplink.ErrAsleep, a.log.Named("host"))

	work, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	parts := map[string]func(context.Context) error{
		"ollama": supervisor.Run,
		"host":   sampler.Run,
		"sample": func(ctx context.Context) error { return a.sample(ctx, sampler, clock, gpus, samples, calls, turning) },
		"gpu":    gpus.Run,
		"uplink": func(ctx context.Context) error { return host.Run(ctx, link.Run) }, // whenever the host is awake
		"status": health.Run,
		"service": func(ctx context.Context) error {
			return service.Run(ctx, leaving, func(context.Context) sdnotify.Beat { return beatOf(report(), turning.beats()) })
		},
		"leave": func(work context.Context) error {
			select {
			case <-work.Done(): // another part failed
			case <-ctx.Done():
				close(leaving)
				a.drain(work, calls)
				end()
			}
			return nil
		},
	}
	if others != nil {
		parts["peers"] = others.Run
	}
	if a.cfg.DemoModel {
		parts["demo"] = func(ctx context.Context) error { return a.demo(ctx, supervisor) }
	}
	return errors.Join(runAll(work, parts), calls.Close())
}

// drain lets what is under way go on for its grace.
func (a *Agent) drain(ctx context.Context, calls *relay.Relay) {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.DrainGrace)
	defer cancel()
	a.log.Info("the agent ends", "in_flight", calls.InFlight(), "grace", a.cfg.DrainGrace)
	if left := calls.Drain(ctx); left > 0 {
		a.log.Warn("requests are broken off: their grace is over", "in_flight", left)
	}
}

// runAll runs the parts until the first one fails or ctx ends, and waits for all.
func runAll(ctx context.Context, parts map[string]func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failures := make(chan error, len(parts))
	var working sync.WaitGroup
	for name, run := range parts {
		working.Go(func() {
			if err := run(ctx); err != nil {
				failures <- fmt.Errorf("%s: %w", name, err)
				cancel()
			}
		})
	}
	working.Wait()
	select {
	case first := <-failures:
		return first
	default:
		return nil
	}
}

// servers returns the addresses of the control plane: those that are configured,
// else those by which the agent joined.
func (a *Agent) servers(joined identity.Membership) []*url.URL {
	addresses := joined.Servers
	if len(a.cfg.Server) > 0 {
		addresses = nil
		for _, s := range a.cfg.Server {
			addresses = append(addresses, string(s))
		}
	}
	var list []*url.URL
	for _, address := range addresses {
		if u, err := url.Parse(address); err == nil { // config has checked them
			list = append(list, u)
		}
	}
	return list
}

func noServer() error {
	return fault.New(fault.Invalid, "no control plane is configured; name one with --server")
}

// facts are the host's, under the name and labels that the settings give it.
func (a *Agent) facts(ctx context.Context, sampler *hostmetrics.Sampler, peerAddress string) (wire.HostFacts, error) {
	facts, err := sampler.Facts(ctx)
	if err != nil {
		a.log.Warn("some host facts could not be read", "error", err)
	}
	facts.Name, facts.AgentVersion, facts.PeerAddress = a.cfg.Name, a.version, peerAddress
	for _, name := range slices.Sorted(maps.Keys(a.cfg.Labels)) {
		facts.Labels = append(facts.Labels, wire.Label{Name: name, Value: a.cfg.Labels[name]})
	}
	return facts, nil
}

// sample takes a sample at each interval. One sample's memory serves for all.
func (a *Agent) sample(ctx context.Context, sampler *hostmetrics.Sampler, clock *steady.Clock, gpus *monitor.Monitor, samples *uplink.Ring, calls *relay.Relay, turning *pulse) error {
	tick := time.NewTicker(a.cfg.SampleInterval)
	defer tick.Stop()
	var s wire.Sample
	for {
		s.Reset()
		sampler.Sample(ctx, &s)
		s.GPUs = gpus.AppendGPUs(s.GPUs)
		s.UnixMillis, s.InFlight = clock.Now().UnixMilli(), uint32(calls.InFlight())
		samples.Push(&s)
		turning.beat()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// act carries out the actions that a control plane may ask for.
func act(ctx context.Context, supervisor *ollama.Supervisor, gpus *monitor.Monitor, action *wire.Action) error {
	if ours, err := actOnGPUs(gpus, action); ours {
		return err
	}
	if action.Instance != wire.DefaultInstance {
		return fault.New(fault.NotFound, "this host has no Ollama instance %q", action.Instance)
	}
	switch action.Kind {
	case wire.ActionRestartInstance:
		return supervisor.Restart(ctx)
	case wire.ActionRefresh:
		supervisor.Refresh()
		return nil
	}
	return fault.New(fault.NotImplemented, "this agent does not know the action %q; a newer one may", action.Kind)
}

// demo gives an Ollama of ours the demo model when it has no model.
func (a *Agent) demo(ctx context.Context, supervisor *ollama.Supervisor) error {
	tick := time.NewTicker(demoPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		s := supervisor.Snapshot()
		if s.Mode == string(ollama.ModeAttached) {
			return nil // somebody else's; nothing is put into it
		}
		hostPort, ok := supervisor.Endpoint()
		if !ok || !s.ModelsKnown {
			continue
		}
		if len(s.Models) > 0 {
			return nil
		}
		if err := demo.Create(ctx, hostPort); err != nil {
			a.log.Warn("no demo model", "error", err)
			return nil
		}
		a.log.Info("demo model created", "model", demo.Model)
		supervisor.Refresh()
		return nil
	}
}

func (a *Agent) report(id *identity.Identity, link *uplink.Uplink, supervisor *ollama.Supervisor, gpus *monitor.Monitor, others *peers.Server, leaving <-chan struct{}) status.Report {
	up, instance := link.Status(), supervisor.Snapshot()
	report := status.Report{
		Version: a.version, Joined: id.Joined(), HostID: id.Membership().HostID, Host: id.Membership().Name,
		Connected: up.Connected, Server: up.Server,
		Ollama: status.Ollama{
			Instance: instance.Name, Mode: instance.Mode, State: instance.State, Message: instance.Message,
			Version: instance.Version, PID: int(instance.PID), Models: len(instance.Models),
		},
		GPUs: gpuStatus(gpus), Peers: peerStatus(others),
	}
	select {
	case <-leaving:
		report.Problems = append(report.Problems, "the agent was told to end and takes on no more requests")
	default:
	}
	switch {
	case up.Connected:
	case up.Err == nil:
		report.Problems = append(report.Problems, "not connected to the control plane yet")
	default:
		report.Problems = append(report.Problems, "not connected to the control plane: "+fault.MessageOf(up.Err))
	}
	switch instance.State {
	case wire.InstanceReady:
	case wire.InstanceUnknown:
		report.Problems = append(report.Problems, "nothing is known of Ollama yet")
	default:
		report.Problems = append(report.Problems, strings.TrimSuffix(fmt.Sprintf("Ollama is %s: %s", instance.State, instance.Message), ": "))
	}
	return report
}

// ollamaConfig translates the settings for the supervisor of an agent that is a
// service of systemd, or is not.
func ollamaConfig(cfg *config.Config, service bool) ollama.Config {
	set := cfg.Ollama.Settings
	dataDir, err := filepath.Abs(filepath.Join(cfg.DataDir, "ollama", wire.DefaultInstance))
	if err != nil {
		dataDir = filepath.Join(cfg.DataDir, "ollama", wire.DefaultInstance) // the supervisor says what is wrong with it
	}
	return ollama.Config{
		Instance: wire.DefaultInstance, Mode: ollama.Mode(cfg.Ollama.Mode), Bin: cfg.Ollama.Bin, URL: cfg.Ollama.URL, DataDir: dataDir, Service: service,
		Settings: ollama.Settings{
			KeepAlive: keepAlive(set.KeepAlive), NumParallel: uint(set.NumParallel), MaxLoadedModels: uint(set.MaxLoadedModels),
			ContextLength: uint(set.ContextLength), FlashAttention: flashAttention(set.FlashAttention),
			KVCacheType: set.KVCacheType, ModelsDir: set.ModelsDir,
		},
		Stalls: ollama.Stalls{FirstToken: cfg.Ollama.Stalls.FirstToken, Token: cfg.Ollama.Stalls.Token, Idle: cfg.Ollama.Stalls.Idle},
	}
}
