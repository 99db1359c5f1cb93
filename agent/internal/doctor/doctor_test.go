package doctor

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/corral-fleet/corral/agent/internal/config"
	"github.com/corral-fleet/corral/agent/internal/survey"
	"github.com/corral-fleet/corral/agent/internal/uplink"
	"github.com/corral-fleet/corral/sdk/checkup"
)

func now() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

const gib = 1 << 30

// healthy are findings of a host where nothing is wrong.
func healthy() *Findings {
	certificate := &x509.Certificate{
		Subject: pkix.Name{CommonName: "controlplane"}, Issuer: pkix.Name{CommonName: "authority"}, NotAfter: now().Add(300 * 24 * time.Hour),
	}
	return &Findings{
		DataDir: DataDir{Path: "/d", Disk: survey.Disk{TotalBytes: 100 * gib, FreeBytes: 50 * gib}},
		Member:  Member{Joined: true, Name: "rack-1", ID: "h_1", KeyMode: 0o600},
		Agent:   Agent{Running: true, PID: 7, Connected: true, Server: "https://c", OpenFiles: 1 << 20, GPUs: "ok"},
		Servers: []Server{{URL: "https://c", Sight: uplink.Sight{Took: time.Millisecond, Certificate: certificate, ClockOffset: 20 * time.Millisecond}}},
		Ollama:  Ollama{Mode: config.ModeAuto, Bin: "/usr/bin/ollama", OpenFiles: 1 << 20},
		Nodes:   []Node{{Path: "/dev/nvidia0"}, {Path: "/dev/nvidiactl"}},
		Host: survey.Host{
			MemoryBytes: 64 * gib, Driver: "550.54.15", GPUs: []survey.GPU{{Vendor: "NVIDIA"}},
			Disks: []survey.Disk{{Folder: "/m", TotalBytes: 100 * gib, FreeBytes: 50 * gib}},
			Ollama: survey.Ollama{
				URL: "http://127.0.0.1:11434", Version: "0.17.4", Process: "ollama", PID: 9, User: "ollama", Unit: "ollama.service",
				Environment: []string{"OLLAMA_NUM_PARALLEL=4"}, ModelsDir: "/m",
			},
		},
	}
}

func TestAHealthyHost(t *testing.T) {
	checks := Examine(healthy(), now())
	for _, c := range checks {
		if c.Status != OK || c.Mend != "" || c.Evidence == "" {
			t.Errorf("%+v", c)
		}
	}
	if !checkup.Healthy(checks) || len(checks) < 13 {
		t.Errorf("%d checks, healthy %v", len(checks), checkup.Healthy(checks))
	}
	untouched := &Findings{ // a host before anything is there
		DataDir: DataDir{Path: "/d", Missing: true, Disk: survey.Disk{FreeBytes: gib}},
		Member:  Member{NoKey: true, HasToken: true, KeyErr: errors.New("not there")},
		Servers: healthy().Servers,
		Ollama:  Ollama{Mode: config.ModeAuto, Bin: "/usr/bin/ollama"},
		Host:    survey.Host{Ollama: survey.Ollama{Err: errors.New("refused")}},
	}
	if checks := Examine(untouched, now()); !checkup.Healthy(checks) {
		t.Errorf("before it joins: %+v", checks)
	}
}

func TestWhatCanBeWrong(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		check  string
		status checkup.Status
		change func(*Findings)
	}{
		{"data directory", Failed, func(f *Findings) { f.DataDir.Writable = broken }},
		{"data directory", Failed, func(f *Findings) { f.DataDir.Disk.FreeBytes = 1 << 20 }},
		{"key", Failed, func(f *Findings) { f.Member.NoKey = true }},
		{"key", Failed, func(f *Findings) { f.Member.KeyErr = broken }},
		{"key", Failed, func(f *Findings) { f.Member.KeyMode = 0o640 }},
		{"membership", Failed, func(f *Findings) { f.Member.Err = broken }},
		{"membership", Failed, func(f *Findings) { f.Member.Joined = false }},
		{"membership", Warning, func(f *Findings) { f.Member.Joined, f.Member.HasToken = false, true }},
		{"agent", Warning, func(f *Findings) { f.Agent = Agent{} }},
		{"agent", Failed, func(f *Findings) { f.Agent.Connected = false }},
		{"agent", Warning, func(f *Findings) { f.Agent.Problems = []string{"Ollama is stopped"} }},
		{"control plane", Failed, func(f *Findings) { f.Servers = nil }},
		{"control plane https://c", Failed, func(f *Findings) { f.Servers[0].Err = broken }},
		{"control plane https://c", Warning, func(f *Findings) { f.Servers[0].Sight.Certificate.NotAfter = now().Add(time.Hour) }},
		{"clock", Failed, func(f *Findings) { f.Servers[0].Sight.ClockOffset = -time.Minute }},
		{"clock", Warning, func(f *Findings) { f.Servers[0].Err = broken }},
		{"Ollama", Failed, func(f *Findings) { f.Host.Ollama.Err = broken }}, // an agent runs
		{"Ollama", Failed, func(f *Findings) {
			f.Agent.Running, f.Host.Ollama.Err, f.Ollama.Mode = false, broken, config.ModeAttached
		}},
		{"Ollama", Failed, func(f *Findings) { f.Agent.Running, f.Host.Ollama.Err = false, broken }}, // somebody else listens
		{"Ollama", Failed, func(f *Findings) {
			f.Agent.Running, f.Host.Ollama, f.Ollama.Bin = false, survey.Ollama{Err: broken}, ""
		}},
		{"who runs it", Warning, func(f *Findings) { f.Host.Ollama.Process = "" }},
		{"who runs it", Failed, func(f *Findings) { f.Agent.Running, f.Ollama.Mode = false, config.ModeManaged }},
		{"binding", Warning, func(f *Findings) { f.Host.Ollama.Exposed = true }},
		{"requests at a time", Warning, func(f *Findings) { f.Host.Ollama.Environment, f.Host.Ollama.Hidden = nil, true }},
		{"models", Warning, func(f *Findings) { f.Host.Ollama.ModelsDir = "" }},
		{"models", Warning, func(f *Findings) { f.Host.Disks[0].FreeBytes = gib }},
		{"models", Warning, func(f *Findings) { f.Host.Disks = nil }},
		{"memory limit", Warning, func(f *Findings) { f.Ollama.MemoryLimit = 4 * gib }},
		{"open files", Warning, func(f *Findings) { f.Ollama.OpenFiles = 1024 }},
		{"open files", Warning, func(f *Findings) { f.Agent.OpenFiles = 256 }},
		{"GPU driver", Failed, func(f *Findings) { f.Host.Driver = "" }},
		{"GPU driver", Failed, func(f *Findings) { f.Nodes[0].Err = broken }},
		{"GPU readings", Warning, func(f *Findings) { f.Agent.GPUs, f.Agent.GPUMessage = "probe_missing", "It can't be started." }},
		{"GPU readings", Warning, func(f *Findings) { f.Agent.GPUs, f.Agent.GPUMessage = "released", "It is let go of." }},
		{"GPU readings", Warning, func(f *Findings) { f.Agent.GPUs = "of a newer agent" }},
	} {
		f := healthy()
		c.change(f)
		checks := Examine(f, now())
		at := slices.IndexFunc(checks, func(got Check) bool { return got.Name == c.check })
		if at < 0 || checks[at].Status != c.status || checks[at].Mend == "" || checks[at].Evidence == "" {
			t.Errorf("%s, want %s: %+v", c.check, c.status, checks)
		}
		if c.status == Failed && checkup.Healthy(checks) {
			t.Errorf("%s failed, and all counts as healthy", c.check)
		}
	}
}

func TestKnownParallelism(t *testing.T) {
	for want, change := range map[string]func(*Findings){
		"4 for each model, by its environment": func(*Findings) {},
		"2 for each model, by the settings":    func(f *Findings) { f.Ollama.NumParallel = 2 },
		"not set; Ollama's own default holds":  func(f *Findings) { f.Host.Ollama.Environment = nil },
	} {
		f := healthy()
		change(f)
		if got := f.parallel(); got.Status != OK || got.Evidence != want {
			t.Errorf("%+v, want %q", got, want)
		}
	}
}
