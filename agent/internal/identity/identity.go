// Package identity keeps what an agent is known by: its key, and what it learnt
// when it joined.
//
// Both live in the agent's data directory. The key is made once and never
// again: a host is its key, so an agent that lost or damaged it must say so
// instead of turning up as a new host.
package identity

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/corral-fleet/corral/sdk/fault"
)

// The files in a data directory.
const (
	lockFile   = "agent.lock"
	keyFile    = "agent.key"
	joinedFile = "joined.json"
)

// Identity is an agent's own, for as long as it holds its data directory. Its
// methods may be called concurrently.
type Identity struct {
	dir  string
	key  ed25519.PrivateKey
	lock *os.File

	mu     sync.Mutex
	joined *record // nil before joining
}

// Open takes a data directory for this process alone and loads the identity in
// it. A directory that is missing is made; one without an identity gets a new key.
//
// It is fault.Conflict when another process holds the directory, fault.Corrupt
// when the key or the state is damaged or the key of an agent that joined is
// missing or another one, fault.Forbidden when the directory may not be written,
// and fault.NoSpace when its disk is full.
func Open(dir string) (*Identity, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, diskFault(err, "the data directory %s cannot be made", dir)
	}
	lock, err := takeLock(dir)
	if err != nil {
		return nil, err
	}
	id := &Identity{dir: dir, lock: lock}
	if err := id.load(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return id, nil
}

// load reads the membership first: only a directory without one may get a new key.
func (id *Identity) load() error {
	joined, err := loadRecord(id.path(joinedFile))
	if err != nil {
		return err
	}
	id.key, err = loadKey(id.path(keyFile))
	switch {
	case errors.Is(err, os.ErrNotExist) && joined != nil:
		return fault.New(fault.Corrupt, "this agent joined as host %q, but its key %s is missing; "+
			"restore it, or remove %s to join as a new host", joined.Name, id.path(keyFile), id.path(joinedFile)).On(fault.Host)
	case errors.Is(err, os.ErrNotExist):
		id.key, err = makeKey(id.path(keyFile))
	}
	if err != nil {
		return err
	}
	if joined != nil && !bytes.Equal(joined.PublicKey, id.PublicKey()) {
		return fault.New(fault.Corrupt, "%s belongs to another key than %s; restore the one that is wrong, "+
			"or remove %s to join again", id.path(joinedFile), id.path(keyFile), id.path(joinedFile)).On(fault.Host)
	}
	id.joined = joined
	return nil
}

// PrivateKey returns the agent's key, which the caller must not change.
func (id *Identity) PrivateKey() ed25519.PrivateKey { return id.key }

// PublicKey returns what the control plane knows the host by.
func (id *Identity) PublicKey() ed25519.PublicKey {
	return id.key.Public().(ed25519.PublicKey)
}

// Close gives the data directory up. The identity must not be saved to after it.
func (id *Identity) Close() error { return id.lock.Close() }

func (id *Identity) path(name string) string { return filepath.Join(id.dir, name) }

// diskFault wraps an error of a file operation with the kind that fits it.
func diskFault(cause error, format string, args ...any) error {
	kind := fault.Internal
	switch {
	case errors.Is(cause, os.ErrPermission), errors.Is(cause, syscall.EROFS):
		kind = fault.Forbidden
	case errors.Is(cause, syscall.ENOSPC), errors.Is(cause, syscall.EDQUOT):
		kind = fault.NoSpace
	}
	return fault.Wrap(kind, cause, format, args...).On(fault.Host)
}
