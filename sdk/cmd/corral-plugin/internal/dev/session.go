package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/corral-fleet/corral/sdk/cmd/internal/configfile"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/plugin"
)

// session is a plugin as it runs now. It is used by one goroutine.
type session struct {
	Options
	dir string // for what is built, and for sockets

	builds  int
	running *host.Process
	opened         // of the configuration, in it
	program string // what was built of it
}

// reload builds and starts the plugin anew. Where that fails, what is wrong is said,
// and the one before goes on.
func (s *session) reload(ctx context.Context) {
	next, err := s.start(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil && s.running != nil:
		fmt.Fprintf(s.Out, "%s\nthe one before goes on\n", explain(err))
	case err != nil:
		fmt.Fprintf(s.Out, "%s\nit is tried again when something changes\n", explain(err))
	default:
		s.stop()
		s.running, s.opened, s.program = next.running, next.opened, next.program
		fmt.Fprintf(s.Out, "%s serves%s\n", next.what, s.able())
	}
}

// opened is an instance, of one kind or the other. Both are nil where none is.
type opened struct {
	storage *host.Storage
	loader  *host.Loader
}

// started is a plugin that serves an instance.
type started struct {
	opened
	running *host.Process
	program string
	what    string
}

// start builds a plugin, starts it and opens an instance.
func (s *session) start(ctx context.Context) (n started, err error) {
	s.builds++
	built := filepath.Join(s.dir, fmt.Sprintf("plugin-%d", s.builds))
	defer func() {
		if err != nil {
			_ = os.Remove(built) // it may not have been built
		}
	}()
	n.program, err = s.Target.Build(ctx, built)
	if err != nil {
		return n, err
	}
	digest, err := host.Digest(n.program)
	if err != nil {
		return n, err
	}
	n.running, err = host.Start(ctx, host.Program{Path: n.program, SHA256: digest, RunDir: s.dir, Env: s.Env, Log: s.Log})
	if err != nil {
		return n, err
	}
	n.opened, n.what, err = s.open(ctx, n.running)
	if err != nil {
		n.running.Stop()
	}
	return n, err
}

// open opens an instance of the configuration as it is now.
func (s *session) open(ctx context.Context, p *host.Process) (o opened, what string, err error) {
	described, err := p.Describe(ctx)
	if err != nil {
		return o, "", err
	}
	var d plugin.Description
	if err := json.Unmarshal(described, &d); err != nil {
		return o, "", fault.Wrap(fault.Invalid, err, "what the plugin says of itself is not JSON").On(fault.Plugin)
	}
	var c host.Configuration
	if s.Config != "" {
		if c, err = configfile.Read(s.Config, d.Secrets); err != nil {
			return o, "", err
		}
	}
	faults, err := p.Check(ctx, c, false)
	if err != nil {
		return o, "", err
	}
	if len(faults) > 0 {
		return o, "", &config.Faults{List: faults}
	}
	switch d.Kind {
	case "storage":
		o.storage, err = p.OpenStorage(ctx, c)
	case "loader":
		o.loader, err = p.OpenLoader(ctx, c)
	default:
		err = fault.New(fault.NotImplemented, "a plugin of the kind %q can't be tried here", d.Kind)
	}
	return o, d.Name + " " + d.Version, err
}

// explain is an error as its author reads it.
func explain(err error) string {
	if faults, ok := errors.AsType[*config.Faults](err); ok {
		return "the configuration has faults:\n" + faults.Error()
	}
	return err.Error()
}

// able says what an instance can do beyond the methods of its kind.
func (o opened) able() string {
	if o.storage == nil {
		return ""
	}
	if names := o.storage.Capabilities().String(); names != "" {
		return "; beyond the contract it says that it can: " + strings.ReplaceAll(names, ",", ", ")
	}
	return "; it says of nothing beyond the contract that it can do it"
}

// died is closed when the plugin has ended; nil where none runs.
func (s *session) died() <-chan struct{} {
	if s.running == nil {
		return nil
	}
	return s.running.Exited()
}

// bury says how the plugin has ended by itself.
func (s *session) bury() {
	fmt.Fprintf(s.Out, "the plugin has ended: %s\n\"restart\" starts it again, and so does a change\n", s.running.Exit())
	s.stop()
}

// stop ends the plugin, if one runs.
func (s *session) stop() {
	if s.running == nil {
		return
	}
	s.running.Stop()
	if s.Target.IsFolder {
		_ = os.Remove(s.program) // it goes with its folder at the latest
	}
	s.running, s.opened = nil, opened{}
}
