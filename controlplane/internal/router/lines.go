package router

import (
	"cmp"
	"slices"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// Lines returns the lines in which requests wait, the longest first.
func (r *Router) Lines() []fleet.Line {
	lines := []fleet.Line{}
	r.mu.Lock()
	for _, s := range r.line.States(nil) {
		if s.Waiting > 0 {
			lines = append(lines, fleet.Line{
				Model: r.waiting[s.Model].name, Digest: s.Model, Places: s.Capacity, Serving: s.Serving, Waiting: s.Waiting,
			})
		}
	}
	r.mu.Unlock()
	slices.SortFunc(lines, func(a, b fleet.Line) int {
		return cmp.Or(cmp.Compare(b.Waiting, a.Waiting), cmp.Compare(a.Model, b.Model))
	})
	return lines
}
