package models

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/agent/internal/models/api"
	"github.com/corral-fleet/corral/agent/internal/models/registry"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// check says whether what Ollama made is what the image says.
func (e *Executor) check(ctx context.Context, name string, img *image) error {
	there, err := e.has(ctx, name, img.digest)
	if err != nil {
		return err
	}
	if !there {
		return fault.New(fault.Corrupt, "Ollama on this host made another model of it than was planned: none has the digest %s", img.digest).On(fault.Ollama)
	}
	shown, err := e.ollama.Show(ctx, name)
	if err != nil {
		return fault.Wrap(fault.Corrupt, err, "Ollama on this host took the model in and cannot read it").On(fault.Ollama)
	}
	return agrees(shown, img.config)
}

// judge says whether Ollama understands what it has made of a recipe.
func judge(shown *api.Shown, recipe *loader.Recipe) error {
	config := map[string]any{}
	if len(recipe.Config) > 0 {
		if err := json.Unmarshal(recipe.Config, &config); err != nil || config == nil {
			return fault.Wrap(fault.Invalid, err, "the configuration in the recipe is no JSON object")
		}
	}
	if recipe.Quantize != "" {
		config["file_type"] = recipe.Quantize
	} else if recipe.Convert {
		delete(config, "file_type") // Ollama chooses it
	}
	text, err := json.Marshal(config)
	if err != nil {
		return err
	}
	return agrees(shown, text)
}

// agrees says whether Ollama understands a model as its configuration has it.
func agrees(shown *api.Shown, config []byte) error {
	var planned struct {
		Family       string `json:"model_family"`
		Quantization string `json:"file_type"`
	}
	if err := json.Unmarshal(config, &planned); err != nil {
		return fault.Wrap(fault.Invalid, err, "the configuration in the recipe is not as Ollama's")
	}
	differs := func(is, planned string) bool {
		return is != "" && planned != "" && !strings.EqualFold(is, planned)
	}
	if differs(shown.Details.Family, planned.Family) || differs(shown.Details.Quantization, planned.Quantization) {
		return fault.New(fault.Corrupt, "Ollama on this host takes the model for %s %s, and it should be %s %s",
			shown.Details.Family, shown.Details.Quantization, planned.Family, planned.Quantization).On(fault.Ollama)
	}
	return nil
}

// replacedName is what a model is called that gives its name away.
func replacedName(passing string) string {
	return strings.TrimSuffix(passing, "/model:latest") + "/replaced:latest"
}

// tidy takes away the names under which models pass, also those that a worker left
// which was killed.
func (e *Executor) tidy(ctx context.Context) {
	e.progress.enter(work.Tidying, "")
	models, err := e.ollama.Models(ctx)
	if err != nil {
		e.log.Warn("names of models on their way are left", "error", err)
		return
	}
	for _, m := range models {
		if !registry.Passing(m.Name) {
			continue
		}
		if err := e.ollama.Delete(ctx, m.Name); err != nil && fault.KindOf(err) != fault.NotFound {
			e.log.Warn("a name of a model on its way is left", "error", err)
		}
	}
}

func contains(text string, any ...string) bool {
	return slices.ContainsFunc(any, func(s string) bool { return strings.Contains(text, s) })
}
