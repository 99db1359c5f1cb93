package auth

import (
	"context"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// holder returns the key with this id, which is good now, and a channel that is
// closed when its sessions end: with the key, or with all sessions.
func (k *Keyring) holder(id string) (key fleet.Key, ended <-chan struct{}, ok bool) {
	live, ok := k.live.Load().byID[id]
	if !ok {
		return fleet.Key{}, nil, false
	}
	return live.key, live.sessions, true
}

// newHolder is [Keyring.holder] for a key that another process may have made a
// moment ago. It reads the keys again for one that is not known yet, so it must
// not be called with an id that a stranger can make up.
func (k *Keyring) newHolder(ctx context.Context, id string) (key fleet.Key, ok bool, err error) {
	if key, _, ok = k.holder(id); ok {
		return key, true, nil
	}
	if err := k.Reload(ctx); err != nil {
		return fleet.Key{}, false, err
	}
	key, _, ok = k.holder(id)
	return key, ok, nil
}

// EndSessions closes the channels of all sessions, and of no key.
func (k *Keyring) EndSessions() {
	k.reload.Lock()
	defer k.reload.Unlock()
	before := k.live.Load()
	live := newKeySet(len(before.byHash))
	for sum, known := range before.byHash {
		live.add(sum, &liveKey{key: known.key, gone: known.gone, sessions: make(chan struct{})})
	}
	k.live.Store(live)
	for _, known := range before.byHash {
		close(known.sessions)
	}
}
