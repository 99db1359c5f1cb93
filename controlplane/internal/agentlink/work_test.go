package agentlink

import (
	"errors"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

func TestAWorkersFailureIsWhatItSays(t *testing.T) {
	for _, broke := range []bool{false, true} {
		for _, cause := range []string{"", "panic: oh"} {
			err := failed(&work.Failure{Kind: "no_space", Side: "ollama", Message: "the disk is full", Cause: cause, Broke: broke})
			wantFault(t, err, fault.NoSpace, fault.Ollama)
			if fault.MessageOf(err) != "the disk is full" || errors.Is(err, fleet.ErrBroke) != broke {
				t.Errorf("it broke down, %v: %v", broke, err)
			}
		}
	}
}
