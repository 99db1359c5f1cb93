package storm_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/storm"
	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/client"
)

// simulate has a fleet join a control plane, and keeps it until the test ends.
func simulate(t *testing.T, o storm.Options) *corraltest.ControlPlane {
	t.Helper()
	controlplane := corraltest.New(t).ControlPlane()
	o.Address, o.Token = controlplane.Address, controlplane.Token("--uses", strconv.Itoa(o.Hosts))
	fleet, err := storm.Simulate(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- fleet.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-fleet.Complete():
	case <-time.After(backLimit):
		t.Fatalf("%d of %d hosts are connected", fleet.Connected(), o.Hosts)
	}
	return controlplane
}

// TestSimulatedFleetIsShown holds what a control plane shows of a simulated fleet
// against what was simulated, all the way through.
func TestSimulatedFleetIsShown(t *testing.T) {
	const hosts, gpus = 8, 4
	controlplane := simulate(t, storm.Options{Hosts: hosts, GPUsPerHost: gpus, Models: 5})
	api := controlplane.API()
	var list []client.Host
	corraltest.Await(t, backLimit, "every host has told of its GPUs", func() (err error) {
		if list, err = api.Hosts(t.Context()); err != nil {
			return err
		}
		for _, h := range list {
			if h.Sample == nil || len(h.Sample.GPUs) != gpus {
				return fmt.Errorf("%s has the sample %+v", h.Name, h.Sample)
			}
		}
		return nil
	})
	if len(list) != hosts {
		t.Fatalf("%d hosts are shown, want %d", len(list), hosts)
	}
	found := map[client.GPUState]int{}
	codes := map[string]int{}
	for _, h := range list {
		if h.Labels["simulated"] != "true" {
			t.Errorf("%s has the labels %v", h.Name, h.Labels)
		}
		for _, p := range h.Problems {
			codes[p.Code]++
		}
		for _, g := range h.Sample.GPUs {
			found[g.State]++
			readings := g.UtilizationPercent != nil && g.MemoryUsedBytes != nil && g.MemoryTotalBytes != nil &&
				g.TemperatureCelsius != nil && g.SlowdownCelsius != nil && g.PowerWatts != nil && g.PowerLimitWatts != nil
			if readings == (g.State == client.GPULost) || g.State == client.GPULost && g.PowerWatts != nil {
				t.Errorf("a GPU of %s: %+v", h.Name, g)
			}
		}
	}
	if found[client.GPUOK] != hosts*gpus-2 || found[client.GPUDegraded] != 1 || found[client.GPULost] != 1 {
		t.Errorf("the GPUs' states are %v", found)
	}
	for _, code := range []string{"gpu_degraded", "gpu_lost", "generation_stalled"} {
		if codes[code] != 1 {
			t.Errorf("the hosts' problems are %v, want one %s", codes, code)
		}
	}
	status, err := api.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status.GPUs != (client.GPUCounts{Total: hosts * gpus, Unhealthy: 2}) || status.Models.Total != 5 {
		t.Errorf("the status counts %+v and %+v", status.GPUs, status.Models)
	}
	corraltest.Await(t, backLimit, "the history has the GPUs", func() error {
		var stored struct{ Samples []client.Sample }
		controlplane.As(corraltest.Viewer).Get("/api/history?host=" + list[0].ID).JSON(&stored)
		if len(stored.Samples) < 2 {
			return fmt.Errorf("%d samples are stored", len(stored.Samples))
		}
		for _, s := range stored.Samples {
			if len(s.GPUs) != gpus || s.GPUs[1].PowerWatts == nil {
				t.Errorf("stored is %+v", s.GPUs)
			}
		}
		return nil
	})
}

func TestSimulatedModelsAnswer(t *testing.T) {
	controlplane := simulate(t, storm.Options{Hosts: 2, GPUsPerHost: 1, Models: 2})
	api := controlplane.API()
	var model string
	corraltest.Await(t, backLimit, "a model is there", func() error {
		models, err := api.Models(t.Context())
		if err != nil || len(models) == 0 {
			return fmt.Errorf("%d models: %w", len(models), err)
		}
		model = models[0].Name
		return nil
	})
	caller := controlplane.As(corraltest.Operator)
	whole := caller.Do(http.MethodPost, "/api/chat", map[string]string{"model": model, "message": "hello"})
	if whole.Status != http.StatusOK || !strings.Contains(whole.Body, "simulated") {
		t.Errorf("%d %s", whole.Status, whole.Body)
	}
	for _, path := range []string{"/api/chat", "/api/generate"} {
		streamed := caller.Do(http.MethodPost, path, map[string]any{
			"model": model, "prompt": "hello", "messages": []map[string]string{{"role": "user", "content": "hello"}},
		})
		lines := strings.Split(strings.TrimSpace(streamed.Body), "\n")
		if streamed.Status != http.StatusOK || len(lines) < 10 || !strings.Contains(lines[len(lines)-1], `"done":true,"done_reason":"stop"`) {
			t.Errorf("%s: %d %s", path, streamed.Status, streamed.Body)
		}
	}
	if missing := caller.Do(http.MethodPost, "/api/chat", map[string]string{"model": "none", "message": "hello"}); missing.Status != http.StatusNotFound {
		t.Errorf("a model that is nowhere: %d %s", missing.Status, missing.Body)
	}
}

func TestFleetsThatCannotBe(t *testing.T) {
	for _, o := range []storm.Options{
		{},
		{Hosts: -1},
		{Hosts: 1 << 20},
		{Hosts: 1, GPUsPerHost: -1},
		{Hosts: 1, GPUsPerHost: 1000},
		{Hosts: 1, Models: -1},
		{Hosts: 1, Models: storm.MaxModels + 1},
	} {
		if _, err := storm.Simulate(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}
