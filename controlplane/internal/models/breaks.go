package models

import (
	"context"
	"errors"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

// What fails for what is around it passes, and is tried again for as long as it takes. A
// program that breaks down at a model does so each time, most likely, and takes along what
// else it is doing: so often it may, and then it is not asked for that any more.
const (
	loaderBreaks = 3 // at the files of one model
	hostBreaks   = 5 // at one model on one host, in a row: what a host has free comes and goes
)

// look has a loader look at files. Where one has ended over them, nothing else is looked at
// beside them: whose fault it is when it ends again is known then.
func (s *Service) look(ctx context.Context, t *taking, files []fleet.ModelFile) (name string, info loader.Info, err error) {
	places := int64(1)
	if t.loaderDied {
		places = atOnce
	}
	if err := s.looks.Acquire(ctx, places); err != nil {
		return "", info, context.Cause(ctx)
	}
	defer s.looks.Release(places)
	name, info, err = s.Loaders.Inspect(ctx, files)
	return name, info, t.broke(name, err)
}

// broke counts how often a loader broke down at the files, and returns why it is not asked
// any more where that was too often.
func (t *taking) broke(loaderName string, err error) error {
	if !errors.Is(err, fleet.ErrBroke) {
		return err
	}
	t.breaks++
	t.loaderDied = fault.KindOf(err) == fault.Unavailable // else it failed at these alone
	if t.breaks < loaderBreaks {
		return err
	}
	who := "the loader"
	if loaderName != "" {
		who += " " + loaderName
	}
	return fault.Wrap(fault.KindOf(err), brokenError{err}, "%s broke down each of the %d times that it looked at these files: %s", who, t.breaks, fault.MessageOf(err)).On(fault.SideOf(err))
}

// broke counts how often something broke down at a place in a row, and returns why it is
// not tried any more where that was too often.
func (r *run) broke(err error) error {
	if !errors.Is(err, fleet.ErrBroke) {
		return err
	}
	if r.breaks++; r.breaks < hostBreaks {
		return err
	}
	return fault.Wrap(fault.KindOf(err), brokenError{err}, "it was tried %d times, and each time it broke down: %s", r.breaks, fault.MessageOf(err)).On(fault.SideOf(err))
}

// brokenError is the last of too many breakdowns.
type brokenError struct{ error }

func (e brokenError) Unwrap() error { return e.error }
