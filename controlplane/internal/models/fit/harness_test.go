package fit_test

import (
	"encoding/json"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models/fit"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
	"github.com/corral-fleet/corral/sdk/loader"
)

const (
	mib = 1 << 20
	gib = 1 << 30
)

// stored is a model of the catalogue, made of a file.
func stored(t testing.TB, f *gguftest.File) fleet.StoredModel {
	t.Helper()
	h := f.Read()
	of := info(t, loader.Info{
		Kind: loader.KindModel, Format: "gguf", Architecture: h.Architecture(), Geometry: map[loader.Role][]byte{loader.RoleModel: h.Condense()},
	})
	return fleet.StoredModel{Name: "big:70b", Loader: "gguf", Info: of, Digest: "d1"}
}

func read(t testing.TB, m fleet.StoredModel) *fit.Model {
	t.Helper()
	model, err := fit.ReadModel(&m)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

// gpu is one with so much memory, and that of it used, in GiB.
func gpu(uuid string, total, used int64) fleet.GPU {
	total, used = total*gib, used*gib
	return fleet.GPU{UUID: uuid, State: fleet.GPUOK, MemoryTotalBytes: &total, MemoryUsedBytes: &used}
}

// machine is a host with 64 GiB of main memory free.
func machine(gpus ...fleet.GPU) fleet.HostView {
	state := fleet.GPUsOK
	if len(gpus) == 0 {
		state = fleet.GPUsNone
	}
	return fleet.HostView{
		Host: fleet.Host{ID: "h1", Name: "alpha"}, State: fleet.HostOnline,
		Sample:    &fleet.Sample{GPUs: gpus, Memory: &fleet.Memory{AvailableBytes: 64 * gib}},
		GPUReport: &fleet.GPUReport{State: state},
		Instances: []fleet.Instance{{Name: "default", State: fleet.InstanceReady, Version: "0.34.2", ModelsKnown: true}},
	}
}

func hostOf(v fleet.HostView) *fit.Host {
	h := fit.HostOf(&v, &v.Instances[0])
	return &h
}

func on(t testing.TB, m *fit.Model, v fleet.HostView, a fit.Ask, seen *fit.Measurements) fit.Fit {
	t.Helper()
	f, err := m.On(hostOf(v), a, seen)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func info(t testing.TB, i loader.Info) []byte {
	t.Helper()
	b, err := json.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
