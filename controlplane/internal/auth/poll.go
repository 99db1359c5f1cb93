package auth

import (
	"context"
	"time"
)

// Run keeps the keyring like its store until ctx ends, which is not an error.
// While the store can't be read, the keys stay as they were read last.
func (k *Keyring) Run(ctx context.Context) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	var last polled
	for {
		if err := k.poll(ctx, &last); err != nil && ctx.Err() == nil {
			if !last.failing {
				k.logger.Warn("keys could not be read; those known stay good", "error", err)
			}
			last.failing = true
		} else if last.failing {
			k.logger.Info("keys can be read again")
			last.failing = false
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// polled is what one poll leaves to the next.
type polled struct {
	loaded   bool
	version  int64
	loadedAt time.Time
	failing  bool
}

// poll reloads when something was written since the last time. The version is
// read first: what is written between the two is seen by the next poll.
func (k *Keyring) poll(ctx context.Context, last *polled) error {
	version, err := k.store.DataVersion(ctx)
	if err != nil {
		return err
	}
	now := k.now()
	if last.loaded && version == last.version && now.Sub(last.loadedAt) < reloadInterval {
		return nil
	}
	if err := k.Reload(ctx); err != nil {
		return err
	}
	last.loaded, last.version, last.loadedAt = true, version, now
	return nil
}
