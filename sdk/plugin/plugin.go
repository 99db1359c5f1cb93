// Package plugin is the door for authors of plugins. A storage plugin is a program
// of one statement:
//
//	func main() {
//		os.Exit(plugin.Main(plugin.About{Name: "memory", Version: "0.1.0"}, plugin.Storage(open)))
//	}
//
//	func open(ctx context.Context, c Config) (storage.Backend, error) { … }
//
// Config is a struct as package config describes: its fields are what operators set,
// with their types, defaults and help, and those of type config.Secret are kept apart
// and never shown. A type with a method SetDefaults() has defaults other than zero.
// Config's method Validate, if it has one, finds what else is wrong.
//
// A loader of models is one with [Loader] in place of [Storage].
//
// One process serves many configured instances. A backend that has to be closed
// implements io.Closer.
package plugin

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/internal/rpc/pluginrpc"
	"github.com/corral-fleet/corral/sdk/internal/seam"
)

// About says what a plugin is.
type About struct {
	Name      string // lower case letters, digits and dashes
	Version   string // such as 1.2.0
	Publisher string // who answers for it
	Summary   string // one sentence
}

// Main runs a plugin, and returns the status to exit with. A host that starts it is
// served until the host is gone. By hand, "describe" prints what it is as JSON, and
// anything else how it is used.
func Main(about About, kind Kind) int {
	//nolint:forbidigo // it is an author's main that is kept to one statement
	served := os.Getenv(seam.CookieKey) == seam.CookieValue
	p := program{about: about, kind: kind, stdout: os.Stdout, stderr: os.Stderr}
	if served {
		return p.serve(os.Stdin)
	}
	return p.byHand(os.Args[1:])
}

// program is a plugin with its surroundings.
type program struct {
	about          About
	kind           Kind
	stdout, stderr io.Writer
}

// Description is what a plugin says of itself.
type Description struct {
	Kind      string `json:"kind"` // storage or loader
	Name      string `json:"name"`
	Version   string `json:"version"`
	Publisher string `json:"publisher,omitempty"`
	Summary   string `json:"summary,omitempty"`
	Protocols []int  `json:"protocols"` // the versions of the handshake that it speaks
	// ConfigVersion is the version of an instance's configuration; see [Migrate]. 0 is
	// of one that does not say, which is 1.
	ConfigVersion int             `json:"config_version"`
	Schema        json.RawMessage `json:"config_schema"` // JSON Schema of that
	Secrets       []string        `json:"secrets"`       // the fields of it that are kept apart
}

func (p program) describe() Description {
	schema, secrets := p.kind.schema()
	return Description{
		Kind: p.kind.name(), Name: p.about.Name, Version: p.about.Version, Publisher: p.about.Publisher, Summary: p.about.Summary,
		Protocols: []int{seam.Protocol}, ConfigVersion: p.kind.version(), Schema: schema, Secrets: secrets,
	}
}

// Describe implements [pluginrpc.Plugin].
func (p program) Describe() ([]byte, error) { return json.Marshal(p.describe()) }

// Configure implements [pluginrpc.Plugin].
func (p program) Configure(c pluginrpc.Configuration) (pluginrpc.Opening, []config.Fault) {
	return p.kind.configure(c)
}

// Migrate implements [pluginrpc.Plugin].
func (p program) Migrate(c pluginrpc.Configuration) (pluginrpc.Configuration, error) {
	return p.kind.migrate(c)
}

func (p program) byHand(args []string) int {
	if len(args) == 1 && args[0] == "describe" {
		return p.print(p.describe())
	}
	fmt.Fprintf(p.stdout, "%s %s is a %s plugin of Corral. Its host starts it; by hand it only tells what it is:\n\n    describe    as JSON\n",
		p.about.Name, p.about.Version, p.kind.name())
	if p.about.Summary != "" {
		fmt.Fprintf(p.stdout, "\n%s\n", p.about.Summary)
	}
	p.kind.usage(p.stdout)
	if len(args) > 0 && args[0] != "help" && args[0] != "--help" && args[0] != "-h" {
		return 2
	}
	return 0
}

func (p program) print(v any) int {
	out := json.NewEncoder(p.stdout)
	out.SetIndent("", "  ")
	if err := out.Encode(v); err != nil {
		fmt.Fprintf(p.stderr, "%s: %v\n", p.about.Name, err)
		return 1
	}
	return 0
}
