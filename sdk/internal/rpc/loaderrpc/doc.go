// Package loaderrpc carries the loader contract between a plugin and its host: a server
// for any loader, and a client that is one.
package loaderrpc

import "github.com/corral-fleet/corral/sdk/fault"

// readBytes is the most that one message carries of a file.
const readBytes = 1 << 20

// broken is what a plugin did that no plugin may.
func broken(what string) error {
	return fault.New(fault.Corrupt, "the plugin is wrong: %s", what).On(fault.Plugin)
}
