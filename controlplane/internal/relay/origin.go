package relay

import (
	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// origin says on whose behalf a call is made.
func (e *Endpoint) origin(by edge.Caller) fleet.Origin {
	from := fleet.Origin{KeyID: by.ID, KeyName: by.Name, Priority: by.Priority, Dialect: "ollama"}
	switch e.Dialect {
	case edge.OpenAI:
		from.Dialect = "openai"
	case edge.Anthropic:
		from.Dialect = "anthropic"
	}
	return from
}
