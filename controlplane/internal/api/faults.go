package api

import (
	"errors"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/sdk/config"
)

// byField has an error that lists what is wrong with fields tell of each beside the
// sentence.
func byField(err error) error {
	list, ok := errors.AsType[*config.Faults](err)
	if !ok {
		return err
	}
	faults := make([]edge.FieldFault, 0, len(list.List))
	for _, f := range list.List {
		faults = append(faults, edge.FieldFault{Field: f.Field, Message: f.Message})
	}
	return edge.WithFaults(err, faults)
}
