package plugin

import (
	"context"
	"encoding/json"
	"io"

	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/config"
)

// Kind is what a plugin does for Corral; see [Storage].
type Kind interface {
	name() string
	schema() (schema json.RawMessage, secrets []string)
	usage(w io.Writer)
	// configure returns what is wrong with a configuration, or nil and what opens an
	// instance of it.
	configure(body []byte, secrets map[string]string) (opening, []config.Fault)
	register(to grpc.ServiceRegistrar, find func(instance string) (any, error))
}

// opening opens a configured instance.
type opening func(ctx context.Context) (opened, error)

// opened is an open instance.
type opened struct {
	instance     any
	capabilities uint32
	address      string
	check        func(ctx context.Context) error
}
