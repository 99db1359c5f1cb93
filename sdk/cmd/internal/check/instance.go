package check

import (
	"context"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/loader"
)

// The kinds of plugins.
const (
	storageKind = "storage"
	loaderKind  = "loader"
)

// instance is an open instance, of whatever kind.
type instance interface {
	Check(ctx context.Context) error
	CloseInstance(ctx context.Context) error
	// call asks for something little, and returns what came of it.
	call(ctx context.Context) error
	// ask is call, with an error where what came of it is not what should.
	ask(ctx context.Context) error
}

// instance opens an instance of a configuration.
func (s *subject) instance(ctx context.Context, p *host.Process, c host.Configuration) (instance, error) {
	if s.description.Kind == loaderKind {
		l, err := p.OpenLoader(ctx, c)
		return loaderInstance{l}, err
	}
	b, err := p.OpenStorage(ctx, c)
	return storageInstance{b}, err
}

type storageInstance struct{ *host.Storage }

func (s storageInstance) call(ctx context.Context) error {
	_, err := s.Stat(ctx, "st/x")
	return err
}

func (s storageInstance) ask(ctx context.Context) error {
	if err := s.call(ctx); fault.KindOf(err) != fault.NotFound {
		return errOr(err)
	}
	return nil
}

type loaderInstance struct{ *host.Loader }

func (l loaderInstance) call(ctx context.Context) error {
	_, err := l.Probe(ctx, []loader.File{{Path: "st/x", SizeBytes: 1, Head: []byte("x")}})
	return err
}

func (l loaderInstance) ask(ctx context.Context) error { return l.call(ctx) }
