package storages

import (
	"context"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/storage"
)

// checkTimeout is how long a look at a storage may take that somebody asked for.
const checkTimeout = 30 * time.Second

// Run tells of the storages' changes of state and has them swept until ctx ends, and closes
// them then.
func (s *Service) Run(ctx context.Context) error {
	var sweeping sync.WaitGroup
	defer sweeping.Wait()
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	told, due := map[*entry]State{}, map[*entry]time.Time{}
	for {
		changed := s.Plugins.Changed() // before the look, so that no change is lost
		now := map[*entry]State{}
		for _, e := range s.standingNow() {
			before, known := told[e]
			if !known {
				before = Starting
			}
			now[e] = s.tell(e, before)
			if at := s.Now(); now[e] == Ready && !at.Before(due[e]) {
				due[e] = at.Add(sweepEvery)
				sweeping.Go(func() { s.sweep(ctx, e) })
			}
		}
		told = now
		maps.DeleteFunc(due, func(e *entry, _ time.Time) bool { _, stands := now[e]; return !stands })
		select {
		case <-ctx.Done():
			for _, e := range s.standingNow() {
				s.close(e)
			}
			return nil
		case <-changed:
		case <-s.waking:
		case <-ticker.C:
		}
	}
}

func (s *Service) wake() {
	select {
	case s.waking <- struct{}{}:
	default:
	}
}

// tell tells of a storage's state if it is another one than before.
func (s *Service) tell(e *entry, before State) State {
	is := e.instance.Condition()
	if is.State == before {
		return before
	}
	s.Log.Info("storage changed", "storage", e.Name, "before", before, "now", is.State, "message", is.Message)
	if before != Starting || is.State != Ready {
		s.Events.Add(fleet.Event{Type: "storage_state", Subject: e.Name, State: string(is.State), Message: is.Message})
	}
	return is.State
}

// Check asks a storage's service whether it would serve, and returns how the storage
// is. Where the service would not, that is an error.
func (s *Service) Check(ctx context.Context, name string) (View, error) {
	e, err := s.find(name)
	if err != nil {
		return View{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := storage.CheckBackend(ctx, e.instance); err != nil {
		return View{}, explain(e.Name, err)
	}
	return e.view(s.present(ctx, e)), nil
}

// Ready reports whether a storage serves, as far as is known.
func (s *Service) Ready(name string) bool {
	e, err := s.find(name)
	return err == nil && e.instance.Condition().State == Ready
}

// view is the storage with a form of its configuration.
func (e *entry) view(c Configuration) View {
	is := e.instance.Condition()
	v := View{
		Name: e.Name, Plugin: e.Plugin, Config: shown(c.JSON, c.Secrets), ConfigVersion: c.Schema, Origin: e.origin, SetIn: e.setIn, HostsRead: e.HostsRead,
		Address: e.address(), Capabilities: []string{}, ReadOnly: e.onlyReads(),
		Status: is.State, Message: is.Message, Since: known(is.Since), CheckedAt: known(is.CheckedAt),
	}
	if can := storage.CapabilitiesOf(e.instance).String(); can != "" {
		v.Capabilities = strings.Split(can, ",")
	}
	return v
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
