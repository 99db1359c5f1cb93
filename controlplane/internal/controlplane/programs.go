package controlplane

import (
	"errors"
	"io"
	"os"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host/plugins"
)

// programs are those of the plugins that run here, for hosts that run them too.
type programs struct{ manager *plugins.Manager }

// of returns the digest of the program that a plugin runs as, and its size; "" where it
// doesn't run.
func (p programs) of(id plugins.ID) (sha256 string, sizeBytes int64) {
	for _, s := range p.manager.Plugins() {
		if s.ID != id || s.State == plugins.Disabled {
			continue
		}
		if info, err := os.Stat(s.File); err == nil {
			return s.SHA256, info.Size()
		}
	}
	return "", 0
}

// Program implements [api.Programs]. What comes has whatever digest it has by then: whoever
// runs it looks.
func (p programs) Program(sha256 string) (io.ReadCloser, int64, error) {
	for _, s := range p.manager.Plugins() {
		if s.SHA256 != sha256 || s.State == plugins.Disabled {
			continue
		}
		f, err := os.Open(s.File)
		if err != nil {
			return nil, 0, fault.Wrap(fault.Unavailable, err, "the program can't be read")
		}
		info, err := f.Stat()
		if err != nil {
			return nil, 0, fault.Wrap(fault.Unavailable, errors.Join(err, f.Close()), "the program can't be read")
		}
		return f, info.Size(), nil
	}
	return nil, 0, fault.New(fault.NotFound, "no plugin that may be run has this digest").On(fault.Caller)
}
