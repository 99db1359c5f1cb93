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
}

// Describe changes what people say of a model of the catalogue.
func (s *Service) Describe(ctx context.Context, name string, p Patch) error {
	if p.Description != nil && (utf8.RuneCountInString(*p.Description) > maxDescriptionRunes || !utf8.ValidString(*p.Description)) {
		return fault.New(fault.Invalid, "the field %q has to be text of at most %d characters", "description", maxDescriptionRunes).On(fault.Caller)
	}
	_, err := s.change(ctx, name, func(m *fleet.StoredModel) error {
		if p.Description != nil {
			m.Description = *p.Description
		}
		if p.Labels != nil {
			m.Labels = p.Labels
		}
		if p.Pinned != nil {
			m.Pinned = *p.Pinned
		}
		return nil
	})
	return err
}
