package models

import (
	"context"
	"unicode/utf8"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// maxDescriptionRunes is how long a description may be.
const maxDescriptionRunes = 2000

// Patch is what people say of a model. What is nil stays as it is.
type Patch struct {
	Description *string           `json:"description"`
	Labels      map[string]string `json:"labels"` // replace all that there were
	Pinned      *bool             `json:"pinned"`
	Aliases     []string          `json:"aliases"` // replace all that there were
	// MoveAliases has aliases of other models become this one's; else they are
	// fault.Conflict.
	MoveAliases bool `json:"move_aliases"`
}

// Describe changes what people say of a model of the catalogue, all of it or nothing. It
// returns the names of the models that lost an alias to it.
func (s *Service) Describe(ctx context.Context, name string, p Patch) (lost []string, err error) {
	if p.Description != nil && (utf8.RuneCountInString(*p.Description) > maxDescriptionRunes || !utf8.ValidString(*p.Description)) {
		return nil, fault.New(fault.Invalid, "the field %q has to be text of at most %d characters", "description", maxDescriptionRunes).On(fault.Caller)
	}
	aliases, err := canonicalNames(p.Aliases)
	if err != nil {
		return nil, err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	m, err := s.meant(name)
	if err != nil {
		return nil, err
	}
	if p.Description != nil {
		m.Description = *p.Description
	}
	if p.Labels != nil {
		m.Labels = p.Labels
	}
	if p.Pinned != nil {
		m.Pinned = *p.Pinned
	}
	var others []fleet.StoredModel
	if p.Aliases != nil {
		if others, err = s.alias(&m, aliases, p.MoveAliases); err != nil {
			return nil, err
		}
	}
	for i := range others {
		lost = append(lost, others[i].Name)
	}
	return lost, s.save(ctx, append(others, m)...)
}
