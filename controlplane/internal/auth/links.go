package auth

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

const (
	// LinkTTL is how long a link for logging in waits to be followed.
	LinkTTL = 15 * time.Minute

	linkPrefix = "crn_"
	linkLength = len(linkPrefix) + 43 // 32 bytes in base64url without padding
)

// LinkStore keeps the links by which people log in. Its methods may be called
// concurrently, by several processes.
type LinkStore interface {
	// CreateLoginLink stores a link, by the hash of its secret, for the holder
	// of a key. A key that is unknown or revoked is fault.NotFound.
	CreateLoginLink(ctx context.Context, hash []byte, keyID string, now, expires time.Time) error
	// SpendLoginLink ends a link and returns the id of its key. Of several calls
	// one gets it. A link that is unknown, expired, spent, or whose key was
	// revoked is fault.Unauthenticated with the reason.
	SpendLoginLink(ctx context.Context, hash []byte, now time.Time) (keyID string, err error)
}

// Links makes secrets that log the holder of a key in, once each.
type Links struct {
	store LinkStore
	now   func() time.Time
}

// NewLinks returns a maker of links.
func NewLinks(store LinkStore, now func() time.Time) *Links { return &Links{store: store, now: now} }

// Create makes and stores a link's secret, which is good once within [LinkTTL].
// A key that is unknown or revoked is fault.NotFound.
func (l *Links) Create(ctx context.Context, keyID string) (Secret, error) {
	secret, now := newSecret(linkPrefix), l.now()
	sum, _ := linkHash(secret.text)
	if err := l.store.CreateLoginLink(ctx, sum[:], keyID, now, now.Add(LinkTTL)); err != nil {
		return Secret{}, err
	}
	return secret, nil
}

// FindKey returns the live key that bears this name or id. None is fault.NotFound.
func FindKey(ctx context.Context, store fleet.KeyStore, nameOrID string) (fleet.Key, error) {
	keys, err := store.Keys(ctx)
	if err != nil {
		return fleet.Key{}, err
	}
	for _, key := range keys {
		if key.RevokedAt.IsZero() && (key.Name == nameOrID || key.ID == nameOrID) {
			return key, nil
		}
	}
	return fleet.Key{}, fault.New(fault.NotFound, "no key that is good has the name or id %q", nameOrID)
}

// linkHash returns what is stored of a link, and whether the text can be one at
// all: nobody is made to ask the store for what can't be there.
func linkHash(secret string) (hash, bool) {
	if len(secret) != linkLength || secret[:len(linkPrefix)] != linkPrefix {
		return hash{}, false
	}
	return sha256.Sum256([]byte(secret)), true
}
