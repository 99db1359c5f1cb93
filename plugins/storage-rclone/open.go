package main

import (
	"context"
	"errors"

	"github.com/rclone/rclone/fs"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// maxAttempts is how often a request is tried, by rclone and by the SDKs in it.
const maxAttempts = 2

func open(ctx context.Context, s settings) (storage.Backend, error) {
	info, err := fs.Find(s.Type)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "rclone has no backend %q", s.Type).On(fault.Caller)
	}
	values, err := s.values(info)
	if err != nil {
		return nil, fault.New(fault.Internal, "a password can't be obscured")
	}
	// What connects lasts as long as the backend, and not as long as its opening.
	long, rclone := fs.AddConfig(context.WithoutCancel(ctx))
	rclone.LowLevelRetries = maxAttempts
	f, err := info.NewFs(long, s.Type, s.Root, fs.ConfigMap(info.Prefix, info.Options, s.Type, values))
	if errors.Is(err, fs.ErrorIsFile) {
		return nil, fault.New(fault.Invalid, "root is a file").On(fault.Caller)
	}
	if err != nil {
		return nil, explained(ctx, err, "open %s", s.Type)
	}
	r := &remote{fs: f, can: ^storage.Capabilities(0)}
	if f.Features().Copy == nil {
		r.can &^= storage.CanCopy
	}
	return r, nil
}
