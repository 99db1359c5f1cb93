package settings

import "slices"

// watcher is one subscription.
type watcher struct{ fn func(Change) }

// Subscribe has fn called after every change, in the order of the changes and
// before the [Manager.Patch] that made it returns, so that a change is in
// effect when its caller gets the answer. fn should be quick, and must not call
// Patch, Load, Origins or Subscribe. When cancel returns, fn is called no more.
func (m *Manager) Subscribe(fn func(Change)) (cancel func()) {
	w := &watcher{fn: fn}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watchers = append(m.watchers, w)
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.watchers = slices.DeleteFunc(m.watchers, func(other *watcher) bool { return other == w })
	}
}

// notify calls every watcher. The caller holds the lock.
func (m *Manager) notify(change Change) {
	for _, w := range m.watchers {
		w.fn(change)
	}
}
