package loader

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

// config is what Ollama keeps of a model beside its layers, under its names. It shows it
// to people, and decides by the families how a model is run.
type config struct {
	Format       string   `json:"model_format"`
	Family       string   `json:"model_family"`
	Families     []string `json:"model_families"`
	Parameters   string   `json:"model_type"` // their number, for people
	Quantization string   `json:"file_type"`
	Architecture string   `json:"architecture"`
	OS           string   `json:"os"`
}

// configOf returns what Ollama's /api/create would write of a model.
func configOf(info Info) (json.RawMessage, error) {
	c := config{
		Format: "gguf", Family: info.Architecture, Families: []string{info.Architecture},
		Parameters: human(info.Parameters), Quantization: info.Quantization, Architecture: "amd64", OS: "linux",
	}
	if slices.ContainsFunc(info.Layers, func(l Layer) bool { return l.Role == RoleProjector }) {
		c.Families = append(c.Families, "clip")
	}
	return json.Marshal(c)
}

// human is a number as Ollama writes it, such as 7.2B.
func human(n int64) string {
	const thousand, million, billion = 1e3, 1e6, 1e9
	f := float64(n)
	switch {
	case f >= billion && math.Mod(f, billion) == 0:
		return fmt.Sprintf("%.0fB", f/billion)
	case f >= billion:
		return fmt.Sprintf("%.1fB", f/billion)
	case f >= million && math.Mod(f, million) == 0:
		return fmt.Sprintf("%.0fM", f/million)
	case f >= million:
		return fmt.Sprintf("%.2fM", f/million)
	case f >= thousand:
		return fmt.Sprintf("%.0fK", f/thousand)
	}
	return fmt.Sprint(n)
}
