package storages

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/storage"
)

// Plugins runs the programs that serve storages.
type Plugins interface {
	// Names returns the names of the plugins that there are, in their order.
	Names() []string
	// Describe says what a plugin is. One that there is not is fault.NotFound; one
	// that can't be asked now is another error, which says why.
	Describe(ctx context.Context, plugin string) (Description, error)
	// Check returns what is wrong with a configuration. When nothing is, and online is
	// true, it is tried: an error is what one would get.
	Check(ctx context.Context, plugin string, c Configuration, online bool) ([]config.Fault, error)
	// Migrate returns a configuration in the version that the plugin has now. One that
	// is of a newer version is fault.Invalid.
	Migrate(ctx context.Context, plugin string, c Configuration) (Configuration, error)
	// Open returns an instance that is opened when its plugin runs, and again each time
	// the plugin is started anew. It waits for nothing. The name is for people.
	Open(plugin, name string, c Configuration) Instance
	// Changed returns a channel that is closed when something about the plugins has
	// changed since the call.
	Changed() <-chan struct{}
}

// Description is what is needed to know of a plugin.
type Description struct {
	Version string          // of the program
	Schema  int             // the version of its configuration
	Form    json.RawMessage // JSON Schema of its configuration
	Secrets []string        // the fields of it that are kept apart, by their paths
}

// Configuration is that of one storage.
type Configuration struct {
	JSON    json.RawMessage
	Secrets map[string]string
	// Schema is the version of the plugin's configuration that JSON is of; 0 is the one
	// that it has now.
	Schema int
}

// Instance is a configured storage.
type Instance interface {
	storage.Backend
	io.Closer

	// Opened waits until it has been opened, or could not be, which is what it returns.
	Opened(ctx context.Context) error
	// Condition returns how it is. Its service is asked so often that its going away
	// and coming back are seen within ten seconds.
	Condition() Condition
}

// Condition is how a storage is.
type Condition struct {
	State     State
	Message   string    // a sentence for the state; may be empty
	Since     time.Time // when it got into that state; zero is unknown
	CheckedAt time.Time // when that was last known; zero is never
}
