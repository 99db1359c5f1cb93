package e2e

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/client"
)

// gpuLimit is how long a change of a card may take to be seen. What changes seldom
// is read every ten seconds.
const gpuLimit = 30 * time.Second

// driven is a host with a real Ollama and a driver that does what is said.
type driven struct {
	t            *testing.T
	lab          *corraltest.Lab
	controlplane *corraltest.ControlPlane
	driver       *corraltest.GPUDriver
	ollama       *ollamatest.Server
	runner       int // the process that runs the model
}

func drivenHost(t *testing.T) *driven {
	t.Helper()
	lab := corraltest.New(t)
	d := &driven{t: t, lab: lab, controlplane: lab.ControlPlane(), driver: lab.GPUDriver()}
	d.ollama = ollamatest.Start(t, ollamatest.Options{Env: []string{"OLLAMA_MODELS=" + lab.Models(), "OLLAMA_KEEP_ALIVE=-1"}})
	agent := d.controlplane.Agent(corraltest.AgentOptions{Name: "rack-1", Ollama: d.ollama.URL, Args: d.driver.Args()})
	agent.AwaitModel(serveLimit, corraltest.Endless)
	d.controlplane.As(corraltest.Inference).Post("/api/chat", object{
		"model": corraltest.Endless, "messages": []object{{"role": "user", "content": "Hello?"}}, "stream": false, "options": object{"num_predict": 1},
	})
	runners := d.ollama.RunnerPIDs()
	if len(runners) != 1 {
		t.Fatalf("runners: %v", runners)
	}
	d.runner = runners[0]
	d.await("reads its GPUs", func(h *client.Host) bool { return reads("ok")(h) && gpusIn(h, client.GPUOK) == 2 })
	return d
}

func (d *driven) await(what string, ok func(*client.Host) bool) *client.Host {
	d.t.Helper()
	began := time.Now()
	h := d.controlplane.AwaitHost(gpuLimit, "rack-1", what, ok)
	d.t.Logf("it %s after %v", what, time.Since(began).Round(10*time.Millisecond))
	return h
}

// loadedOn returns a condition of a host: its one loaded model is on these GPUs.
func loadedOn(gpus ...string) func(*client.Host) bool {
	return func(h *client.Host) bool {
		if len(h.Instances) != 1 || len(h.Instances[0].Loaded) != 1 || h.Instances[0].Loaded[0].GPUs == nil {
			return false
		}
		got := []string{}
		for _, share := range h.Instances[0].Loaded[0].GPUs {
			got = append(got, share.UUID)
		}
		return cmp.Equal(append([]string{}, gpus...), got)
	}
}

// TestModelsAreFoundOnGPUs joins what the driver says of processes with a real
// Ollama's. That Ollama knows no GPU, which is told.
func TestModelsAreFoundOnGPUs(t *testing.T) {
	t.Parallel()
	d := drivenHost(t)
	d.await("has its model on no GPU", loadedOn())
	host := d.await("tells of the fallback to its CPU", func(h *client.Host) bool { return h.Instances[0].Reason == "cpu_fallback" })
	if i := host.Instances[0]; i.State != "ready" || !strings.Contains(i.Message, corraltest.Endless+" is in main memory alone") || host.State != client.HostDegraded {
		t.Errorf("the instance is %s: %s; the host is %s", i.State, i.Message, host.State)
	}
	if answer := d.controlplane.As(corraltest.Inference).Post("/api/generate", object{"model": corraltest.Endless, "prompt": "x", "stream": false, "options": object{"num_predict": 1}}); answer.Status != 200 {
		t.Errorf("such a host gets no requests: %d %s", answer.Status, answer.Body)
	}

	stranger := os.Getpid()
	d.driver.Say(fmt.Sprintf("process 1 %d 512", d.runner), fmt.Sprintf("process 0 %d 256", stranger))
	d.await("has its model on GPU 1", loadedOn("GPU-1"))
	operator := []string{"--server", d.controlplane.URL(), "--key", d.controlplane.Key(corraltest.Operator)}
	wantCommand(t, 0, []string{`of it on GPU 1`}, "corral", append([]string{"host", "show", "rack-1"}, operator...)...)
	code, out := command(t, nil, "corral", append([]string{"gpu", "processes", "rack-1"}, operator...)...)
	for _, line := range []string{fmt.Sprintf("GPU-1  %d ", d.runner), " default\n", fmt.Sprintf("GPU-0  %d ", stranger), " e2e.test "} {
		if code != 0 || !strings.Contains(out, line) {
			t.Errorf("%d, no %q in\n%s", code, line, out)
		}
	}
	if strings.Contains(out, "-test.") {
		t.Errorf("a command line is shown:\n%s", out)
	}
	gpus, err := d.controlplane.API().GPUs(t.Context(), "rack-1")
	// One of that driver's processes draws, and doesn't tell how much memory it has.
	if err != nil || len(gpus.Cards) != 2 || gpus.Cards[0].UnaccountedBytes != nil || gpus.Cards[0].Figures["pcie_width"] == 0 {
		t.Errorf("the cards are %+v, %v", gpus, err)
	}
}

// TestFaultsOfAGPUDriver has the driver do what drivers do.
func TestFaultsOfAGPUDriver(t *testing.T) {
	t.Parallel()
	d := drivenHost(t)
	well := func(h *client.Host) bool { return reads("ok")(h) && gpusIn(h, client.GPUOK) == 2 }

	d.driver.Say("xid 1 1 79")
	host := d.await("tells of an Xid", func(h *client.Host) bool { return len(h.GPUReport.Events) > 0 })
	if e := host.GPUReport.Events[0]; e.Xid == nil || *e.Xid != 79 || e.UUID != "GPU-1" || e.Advice == "" || e.Message == "" {
		t.Errorf("the event is %+v", e)
	}

	d.driver.Say("lost 1") // a fault is told once
	host = d.await("has lost a GPU", func(h *client.Host) bool { return gpusIn(h, client.GPULost) == 1 && h.State == client.HostDegraded })
	if !strings.Contains(fmt.Sprint(host.Problems), "GPU 1 (Fake GPU 1) is lost") {
		t.Errorf("the problems are %v", host.Problems)
	}
	d.driver.Say()
	d.await("has it again", well)

	d.driver.Say("hang nvmlDeviceGetUtilizationRates")
	began := time.Now()
	host = d.await("has a driver that hangs", reads("probe_silent"))
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("a driver that hangs is seen after %v", took)
	}
	if gpusIn(host, client.GPUUnknown) != 2 || host.Sample.GPUs[0].UUID != "GPU-0" {
		t.Errorf("the GPUs are %+v", host.Sample.GPUs)
	}
	d.driver.Say()
	host = d.await("has one that works again", well)
	if n := len(host.GPUReport.Events); n != 1 {
		t.Errorf("%d events are told, there was one: %+v", n, host.GPUReport.Events)
	}

	d.driver.Say("crash nvmlDeviceGetUtilizationRates")
	d.await("has a driver that crashes", reads("probe_crashed"))
	d.driver.Say()
	d.await("has one that works again", well)

	const libRMVersionMismatch = 18
	d.driver.Say(fmt.Sprintf("fail nvmlInit_v2 %d", libRMVersionMismatch))
	for _, pid := range d.lab.Find("corral-gpuprobe") {
		if strings.Contains(corraltest.CommandLine(pid), "--library") {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		}
	}
	host = d.await("has a driver that was replaced", reads("version_mismatch"))
	if host.State != client.HostDegraded {
		t.Errorf("the host is %s", host.State)
	}
	d.driver.Say("driver 560.35.03")
	d.await("has the new driver", func(h *client.Host) bool { return well(h) && h.GPUReport.DriverVersion == "560.35.03" })
}
