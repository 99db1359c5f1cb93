package settings

import (
	"context"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Change is what a [Manager.Patch] changed.
type Change struct {
	Fields  []string   // paths of the changed fields, in the order of AppConfig
	Restart []string   // those of them that take effect only at the next start
	Config  *AppConfig // the settings after the change
}

// Has reports whether the field at this path changed.
func (c Change) Has(path string) bool { return slices.Contains(c.Fields, path) }

// Patch changes the settings that a JSON body of AppConfig's form names. What
// the body leaves out keeps its value, and so does a secret sent as "***"; an
// empty jwt_secret makes a new one.
//
// Either everything is valid, saved and in effect when Patch returns, or
// nothing changed and the error says why: [fault.Invalid] with all that is
// wrong with the body or with the settings as a whole, [fault.Conflict] for a
// field that flag or environment pin to another value, or what the store
// returned. A body that changes nothing is saved nowhere and told to nobody.
func (m *Manager) Patch(ctx context.Context, body []byte) (Change, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Change{}, err
	}
	before := m.current.Load()
	next := m.Program()
	set, faults := config.MergeJSON(&next.App, body)
	if slices.Contains(set, jwtSecret) && !next.App.Security.JWTSecret.IsSet() {
		next.App.Security.JWTSecret = newSecret()
	}
	changed := config.Changed(before, &next.App)
	if len(faults) == 0 {
		if err := m.pinned(changed); err != nil {
			return Change{}, err
		}
		// A new host counts from the next start on, but the other settings at
		// once: they have to suit the host that is listened on now as well.
		if host := m.started.Load().Server.Host; next.opensTo(host) {
			faults = append(faults, config.Fault{Field: apiKeyRequired, Message: openMessage(host)})
		}
	}
	if err := config.Validate(&next, nil, faults...); err != nil {
		return Change{}, err
	}
	if len(changed) == 0 {
		return Change{Config: before}, nil
	}
	// A caller that leaves now must not decide whether the store and this
	// process still agree.
	written, err := m.save(context.WithoutCancel(ctx), m.saved, &next.App, changed)
	if err != nil {
		return Change{}, err
	}
	m.saved = written
	for _, path := range changed {
		m.origins[path] = config.Origin{Layer: config.Saved}
	}
	m.current.Store(&next.App)
	change := Change{Fields: changed, Restart: onlyRestart(changed), Config: &next.App}
	m.notify(change)
	return change, nil
}

// pinned returns an error that names the fields that must not change.
func (m *Manager) pinned(paths []string) error {
	var sentences []string
	for _, path := range paths {
		if origin := m.origins.Of(path); origin.Pinned() {
			sentences = append(sentences, path+" is pinned by "+origin.String())
		}
	}
	if sentences == nil {
		return nil
	}
	return fault.New(fault.Conflict, "%s; change it where the server is started", strings.Join(sentences, ", "))
}
