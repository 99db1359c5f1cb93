package models

import (
	"crypto/ed25519"
	"crypto/rand"
	"sync"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/wire/peer"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// PeerTickets let hosts read blobs of each other. They are of one run of the program, as
// the sessions are in which hosts learn the key, and end with the removal of any host. Its methods may be called concurrently.
type PeerTickets struct {
	now func() time.Time

	mu  sync.Mutex
	key ed25519.PrivateKey
}

// NewPeerTickets returns tickets with a key of their own.
func NewPeerTickets(now func() time.Time) *PeerTickets {
	t := &PeerTickets{now: now}
	t.Renew()
	return t
}

// Renew makes another key, by which those that were given away before are good no longer.
func (t *PeerTickets) Renew() {
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed) // which never fails
	t.mu.Lock()
	defer t.mu.Unlock()
	t.key = ed25519.NewKeyFromSeed(seed)
}

func (t *PeerTickets) private() ed25519.PrivateKey {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.key
}

// Key returns by what hosts know the tickets.
func (t *PeerTickets) Key() ed25519.PublicKey { return t.private().Public().(ed25519.PublicKey) }

// peer returns a host as a place from which another one reads a blob, by the sha256.
func (t *PeerTickets) peer(from, reader *fleet.HostView, sha256 string) work.Peer {
	ticket := peer.Ticket{Host: from.ID, Reader: reader.PublicKey, SHA256: sha256, Expires: t.now().Add(ticketTTL).Unix()}
	return work.Peer{URL: ticket.URL(from.Facts.PeerAddress, t.private()), PublicKey: from.PublicKey}
}
