package auth

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

const (
	// pollInterval is how soon a key that another process made or revoked is
	// noticed. With the time to read the keys it keeps within the 5 s that
	// revoking may take.
	pollInterval = time.Second
	// reloadInterval makes up for a version that could not tell.
	reloadInterval = time.Minute
	// freshInterval bounds what callers with keys that nobody knows can cost.
	freshInterval = 100 * time.Millisecond
)

// Store is where the keys are. DataVersion returns a number that is another one
// when something was written since the call before, by whichever process.
type Store interface {
	fleet.KeyStore
	DataVersion(ctx context.Context) (int64, error)
}

// Keyring knows the keys that are good now. Its methods may be called
// concurrently.
type Keyring struct {
	store  Store
	now    func() time.Time
	logger hclog.Logger

	live   atomic.Pointer[keySet] // never changed, only replaced
	reload sync.Mutex             // held while it is replaced: an older reading must not replace a newer one

	lookedAt atomic.Int64 // when the keys were last read for an unknown one, in Unix nanoseconds
}

// keySet has the same keys in both of its maps.
type keySet struct {
	byHash map[hash]*liveKey
	byID   map[string]*liveKey
}

func newKeySet(size int) *keySet {
	return &keySet{byHash: make(map[hash]*liveKey, size), byID: make(map[string]*liveKey, size)}
}

func (s *keySet) add(sum hash, live *liveKey) { s.byHash[sum], s.byID[live.key.ID] = live, live }

type liveKey struct {
	key      fleet.Key
	gone     chan struct{} // closed once the key is good no longer
	sessions chan struct{} // closed then too, and when all sessions are ended
}

// NewKeyring returns an empty keyring; [Keyring.Reload] or [Keyring.Run] fills it.
func NewKeyring(store Store, now func() time.Time, logger hclog.Logger) *Keyring {
	k := &Keyring{store: store, now: now, logger: logger}
	k.live.Store(newKeySet(0))
	return k
}

// Find returns the key that a caller showed, and a channel that is closed when
// the key is revoked. It allocates nothing. The time that it takes says nothing
// about a key: keys are compared by their hashes, which nobody can steer.
func (k *Keyring) Find(secret string) (key fleet.Key, gone <-chan struct{}, ok bool) {
	sum, ok := keyHash(secret)
	if !ok {
		return fleet.Key{}, nil, false
	}
	live, ok := k.live.Load().byHash[sum]
	if !ok {
		return fleet.Key{}, nil, false
	}
	return live.key, live.gone, true
}

// Lookup is [Keyring.Find] for a key that another process may have made a moment
// ago, as the command line does: a key of the right form that is not known yet
// has the keys read again, at most once in each freshInterval.
func (k *Keyring) Lookup(ctx context.Context, secret string) (key fleet.Key, gone <-chan struct{}, ok bool) {
	if key, gone, ok = k.Find(secret); ok {
		return key, gone, true
	}
	if _, formed := keyHash(secret); !formed {
		return fleet.Key{}, nil, false
	}
	now, last := k.now().UnixNano(), k.lookedAt.Load()
	if now-last < int64(freshInterval) || !k.lookedAt.CompareAndSwap(last, now) {
		return fleet.Key{}, nil, false
	}
	if err := k.Reload(ctx); err != nil {
		k.logger.Debug("keys could not be read for an unknown key", "error", err)
	}
	return k.Find(secret)
}

// Create makes a key and stores it; it is good on return. The secret can't be
// had again. A name that is not 1 to 64 printable characters, or a role or a
// priority that does not exist, is fault.Invalid; a name that a live key bears
// is fault.Conflict.
func (k *Keyring) Create(ctx context.Context, name string, role fleet.Role, priority int) (Secret, fleet.Key, error) {
	secret, key, err := newKey(name, role, priority, k.now())
	if err != nil {
		return Secret{}, fleet.Key{}, err
	}
	if err := k.store.CreateKey(ctx, key); err != nil {
		return Secret{}, fleet.Key{}, err
	}
	k.refresh(ctx)
	return secret, key, nil
}

// Revoke ends a key; it is good no longer on return, or with the next poll
// where the keys can't be read just then. An unknown id is fault.NotFound.
func (k *Keyring) Revoke(ctx context.Context, id string) error {
	if err := k.store.RevokeKey(ctx, id, k.now()); err != nil {
		return err
	}
	k.refresh(ctx)
	return nil
}

// SetPriority changes a key's priority, and returns the key; it counts from the
// next request on, or with the next poll where the keys can't be read just then.
// A priority that does not exist is fault.Invalid, an id that no live key has
// fault.NotFound.
func (k *Keyring) SetPriority(ctx context.Context, id string, priority int) (fleet.Key, error) {
	if err := checkPriority(priority); err != nil {
		return fleet.Key{}, err
	}
	key, err := k.store.SetKeyPriority(ctx, id, priority)
	if err != nil {
		return fleet.Key{}, err
	}
	k.refresh(ctx)
	return key, nil
}

// refresh reloads after a change that is stored already. Failing it would deny
// that change, so a failure is logged; the next poll makes up for it.
func (k *Keyring) refresh(ctx context.Context) {
	if err := k.Reload(context.WithoutCancel(ctx)); err != nil {
		k.logger.Warn("keys could not be read after a change", "error", err)
	}
}

// Keys returns every stored key, revoked ones too, oldest first.
func (k *Keyring) Keys(ctx context.Context) ([]fleet.Key, error) { return k.store.Keys(ctx) }

// Reload reads the keys and closes the channels of those that are gone.
func (k *Keyring) Reload(ctx context.Context) error {
	k.reload.Lock()
	defer k.reload.Unlock()
	stored, err := k.store.Keys(ctx)
	if err != nil {
		return err
	}
	before, live := k.live.Load(), newKeySet(len(stored))
	for _, key := range stored {
		sum := hash{}
		if !key.RevokedAt.IsZero() || copy(sum[:], key.Hash) != len(sum) || len(key.Hash) != len(sum) {
			continue
		}
		if known, ok := before.byHash[sum]; ok {
			live.add(sum, &liveKey{key: key, gone: known.gone, sessions: known.sessions})
		} else {
			live.add(sum, &liveKey{key: key, gone: make(chan struct{}), sessions: make(chan struct{})})
		}
	}
	k.live.Store(live)
	for sum, known := range before.byHash {
		if _, ok := live.byHash[sum]; !ok {
			close(known.gone)
			close(known.sessions)
		}
	}
	return nil
}
