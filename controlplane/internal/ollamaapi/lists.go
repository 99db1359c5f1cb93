package ollamaapi

import (
	"cmp"
	"slices"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// Ollama's objects, in the order of its fields.
type (
	modelList struct {
		Models []listedModel `json:"models"`
	}
	listedModel struct {
		Name       string    `json:"name"`
		Model      string    `json:"model"`
		ModifiedAt time.Time `json:"modified_at,omitzero"`
		Size       int64     `json:"size"`
		Digest     string    `json:"digest"`
		Details    details   `json:"details"`
	}
	runningList struct {
		Models []runningModel `json:"models"`
	}
	runningModel struct {
		Name          string    `json:"name"`
		Model         string    `json:"model"`
		Size          int64     `json:"size"`
		Digest        string    `json:"digest"`
		Details       details   `json:"details"`
		ExpiresAt     time.Time `json:"expires_at,omitzero"`
		SizeVRAM      int64     `json:"size_vram"`
		ContextLength int       `json:"context_length"`
		// Ours: where it runs.
		HostID   string `json:"host_id"`
		Host     string `json:"host"`
		Instance string `json:"instance"`
	}
	details struct {
		ParentModel       string   `json:"parent_model"`
		Format            string   `json:"format"`
		Family            string   `json:"family"`
		Families          []string `json:"families"`
		ParameterSize     string   `json:"parameter_size"`
		QuantizationLevel string   `json:"quantization_level"`
	}
)

func detailsOf(format, family, parameters, quantization string) details {
	d := details{Format: format, Family: family, ParameterSize: parameters, QuantizationLevel: quantization}
	if family != "" {
		d.Families = []string{family}
	}
	return d
}

// tags lists every model of the fleet once for each of its names, the latest first, as
// Ollama does.
func (a *API) tags() (any, error) {
	models := a.view.Aliases().Served(fleet.ModelsOf(a.view.Hosts()))
	slices.SortStableFunc(models, func(x, y fleet.Model) int { return y.ModifiedAt.Compare(x.ModifiedAt) })
	list := modelList{Models: make([]listedModel, len(models))}
	for i := range models {
		m := &models[i]
		list.Models[i] = listedModel{
			Name: m.Name, Model: m.Name, ModifiedAt: m.ModifiedAt, Size: m.SizeBytes, Digest: m.Digest,
			Details: detailsOf(m.Format, m.Family, m.Parameters, m.Quantized),
		}
	}
	return list, nil
}

// ps lists what is in memory, once for each instance that has it there.
func (a *API) ps() (any, error) {
	hosts := a.view.Hosts()
	list := runningList{Models: []runningModel{}}
	for h := range hosts {
		if !hosts[h].State.Reachable() {
			continue
		}
		for i := range hosts[h].Instances {
			list.add(&hosts[h], &hosts[h].Instances[i])
		}
	}
	slices.SortStableFunc(list.Models, func(x, y runningModel) int {
		return cmp.Or(y.ExpiresAt.Compare(x.ExpiresAt), cmp.Compare(x.Name, y.Name))
	})
	return list, nil
}

func (l *runningList) add(host *fleet.HostView, instance *fleet.Instance) {
	for _, loaded := range instance.Loaded {
		name := fleet.CanonicalModel(loaded.Name)
		shown := fleet.ShownModel(loaded.Name)
		running := runningModel{
			Name: shown, Model: shown, Size: loaded.SizeBytes, Digest: loaded.Digest,
			ExpiresAt: loaded.ExpiresAt, SizeVRAM: loaded.SizeVRAMBytes, ContextLength: loaded.ContextLength,
			HostID: host.ID, Host: host.Name, Instance: instance.Name,
		}
		for _, m := range instance.Models {
			if fleet.CanonicalModel(m.Name) == name {
				running.Details = detailsOf(m.Format, m.Family, m.ParameterSize, m.Quantization)
			}
		}
		l.Models = append(l.Models, running)
	}
}
