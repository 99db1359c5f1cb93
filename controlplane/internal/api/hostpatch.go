package api

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Bounds of what a host may be called and labelled.
const (
	maxNameRunes  = 64
	maxLabels     = 32
	maxLabelRunes = 128
)

// hostPatch is what may be changed of a host. What is missing stays as it is;
// labels replace all that there were.
type hostPatch struct {
	Name   *string           `json:"name"`
	Labels map[string]string `json:"labels"`
}

func (a *API) changeHost(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	var patch hostPatch
	if err := decode(r.Body, &patch); err != nil {
		return nil, err
	}
	if err := patch.check(); err != nil {
		return nil, err
	}
	return a.change(ctx, r, func(h *fleet.Host) {
		if patch.Name != nil {
			h.Name = *patch.Name
		}
		if patch.Labels != nil {
			h.Labels = patch.Labels
		}
	})
}

func (p *hostPatch) check() error {
	if p.Name != nil && (!isLine(*p.Name, maxNameRunes) || *p.Name == "") {
		return fault.New(fault.Invalid, "the field %q has to be 1 to %d printable characters without blanks at the ends", "name", maxNameRunes).On(fault.Caller)
	}
	if len(p.Labels) > maxLabels {
		return fault.New(fault.Invalid, "the field %q has more than %d entries", "labels", maxLabels).On(fault.Caller)
	}
	for name, value := range p.Labels {
		if name == "" || strings.ContainsAny(name, "= ,") || !isLine(name, maxLabelRunes) || !isLine(value, maxLabelRunes) {
			return fault.New(fault.Invalid, "the field %q has an entry %q that is not name=value of at most %d printable characters each, the name without blanks and commas",
				"labels", name, maxLabelRunes).On(fault.Caller)
		}
	}
	return nil
}

// isLine reports whether a text can be shown in one line as it is.
func isLine(s string, maxRunes int) bool {
	notPrintable := func(r rune) bool { return !unicode.IsPrint(r) }
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= maxRunes &&
		!strings.ContainsFunc(s, notPrintable) && strings.TrimSpace(s) == s
}
