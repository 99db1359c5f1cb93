package storage

import (
	"context"

	"github.com/corral-fleet/corral/sdk/fault"
)

// OnlyReader is a backend whose objects others publish: Put and Delete are
// fault.NotImplemented, and change nothing. List is fault.NotImplemented for a prefix of
// which its service does not say what is there, and all or nothing for any other. An
// address of one that is a [Presigner] ends to work when the service says so, and an
// object that has none is fault.NotImplemented. [ReadOnly] is what it embeds.
type OnlyReader interface{ OnlyReads() }

// ReadOnly makes an [OnlyReader] of a backend that it is embedded in.
type ReadOnly struct{}

// OnlyReads implements [OnlyReader].
func (ReadOnly) OnlyReads() {}

// Put implements [Backend].
func (ReadOnly) Put(ctx context.Context, _ string, _ Source) error { return refused(ctx) }

// Delete implements [Backend].
func (ReadOnly) Delete(ctx context.Context, _ string) error { return refused(ctx) }

func refused(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return fault.New(fault.NotImplemented, "the storage can only be read").On(fault.Caller)
}
