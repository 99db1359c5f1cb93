package config

import (
	"path/filepath"
	"regexp"

	"github.com/corral-fleet/corral/sdk/config"
)

// Where readings of GPUs come from.
const (
	GPUAuto = "auto" // what the host has
	GPUNone = "none"
	GPUDemo = "demo" // made up, for people without a GPU; never by itself
)

// recordedGPUs is what a recorded machine is called. Which there are, the program
// that reads them knows.
var recordedGPUs = regexp.MustCompile(`^recorded:[a-z0-9][a-z0-9._-]*$`)

// GPU is where readings of GPUs come from.
type GPU struct {
	Source string `yaml:"source" flag:"gpu" help:"auto, none, demo or recorded:NAME; auto reads what the host has, the last two are not real and say so"`
	Probe  string `yaml:"probe" help:"the program that reads GPUs; empty is corral-gpuprobe beside the agent's own program"`
}

// Validate implements [config.Validator].
func (g *GPU) Validate(report config.Report) {
	if g.Source != GPUAuto && g.Source != GPUNone && g.Source != GPUDemo && !recordedGPUs.MatchString(g.Source) {
		report("source", "%q is none of auto, none, demo and recorded:NAME", g.Source)
	}
	if g.Probe != "" && !filepath.IsAbs(g.Probe) {
		report("probe", "%q is not an absolute path", g.Probe)
	}
}
