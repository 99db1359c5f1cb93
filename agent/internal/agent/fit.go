package agent

import (
	"fmt"

	"github.com/corral-fleet/corral/sdk/wire"
)

// Bounds on the models that one report tells of, well within what a frame may
// carry. A host with more has a problem to show, and goes on serving.
const (
	maxReportedModels = 8000
	maxReportedBytes  = wire.MaxFrame / 2
	bytesBesideText   = 64 // of a model on the wire
)

// fit cuts an instance's models to what can be reported, and says so in the
// instance's message.
func fit(i wire.Instance) wire.Instance {
	size := 0
	for n, m := range i.Models {
		size += bytesBesideText + len(m.Name) + len(m.Digest) + len(m.Format) + len(m.Family) + len(m.ParameterSize) + len(m.Quantization)
		if n < maxReportedModels && size <= maxReportedBytes {
			continue
		}
		i.Message = fmt.Sprintf("This Ollama has %d models, more than can be reported; the first %d are.", len(i.Models), n)
		i.Models = i.Models[:n]
		if i.Reason == "" {
			i.Reason = "too_many_models"
		}
		break
	}
	return i
}
