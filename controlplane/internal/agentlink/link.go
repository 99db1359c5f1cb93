// Package agentlink is the control plane's side of the agents' connections: the
// handshake, the session with its control stream, and the calls that travel
// through it to a host's Ollama.
package agentlink

import (
	"context"
	"crypto/ed25519"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// maxHandshakes is how many agents may be proving who they are at once. After a
// restart all of them come back together, and each proof costs a signature.
const maxHandshakes = 64

// Historian stores samples.
type Historian interface {
	// Append hands a row over and returns at once. stored is called when the
	// row survives a kill of this process, and must not block. False means that
	// the row was not taken, and that later ones of its run must not be either
	// until it has come again.
	Append(row fleet.SampleRow, stored func()) bool
	// HasRoom reports whether rows that were kept back may come now.
	HasRoom() bool
	// LastSeq returns the highest stored sequence number of a host's run.
	LastSeq(ctx context.Context, hostID, runID string) (uint64, error)
}

// PeerTickets let hosts read what others have of models.
type PeerTickets interface {
	// Key is by what hosts know the good ones.
	Key() ed25519.PublicKey
	// Renew has all that were given away be good no longer: Key is another one.
	Renew()
}

// Options are what a [Link] works with. All fields are required.
type Options struct {
	Hosts          fleet.HostStore
	Registry       *fleet.Registry
	History        Historian
	CACertificates []byte // PEM; handed to agents that join
	PeerTickets    PeerTickets
	DeadAfter      func() time.Duration // how long a host is missing until it counts as dead; 0 is for ever
	CPUOnly        func() bool          // whether hosts are told to load models on the CPU alone
	Log            hclog.Logger
	Now            func() time.Time
}

// pace is how long a link waits for its agents; tests have less patience.
type pace struct {
	handshake time.Duration // for each step of it
	ping      time.Duration // between two; wire.SilentPings of them without a frame, and the agent counts as gone
}

// Link holds the sessions of all agents. Its methods may be called concurrently.
type Link struct {
	Options
	pace       pace
	handshakes chan struct{} // a slot for each handshake under way
	metronome  metronome
	couriers   couriers

	mu       sync.Mutex
	sessions map[string]*session // by host id
}

var _ fleet.Caller = (*Link)(nil)

// New returns a link without sessions.
func New(o Options) *Link {
	return &Link{
		Options: o, pace: pace{handshake: wire.HandshakeTimeout, ping: wire.PingInterval},
		handshakes: make(chan struct{}, maxHandshakes), sessions: map[string]*session{},
	}
}

// session returns the live session of a host.
func (l *Link) session(hostID string) (*session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.sessions[hostID]; s != nil {
		return s, nil
	}
	return nil, fault.New(fault.Unavailable, "the host's agent is not connected").On(fault.Host)
}

// replace makes s the host's session and returns the one before, or nil. It
// returns false, and changes nothing, when that one is newer: of two handshakes
// at a time, the one that began its session later wins.
func (l *Link) replace(s *session) (before *session, newest bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before = l.sessions[s.hostID]
	if before != nil && before.epoch > s.epoch {
		return before, false
	}
	l.sessions[s.hostID] = s
	return before, true
}

// drop forgets s if it still is its host's session.
func (l *Link) drop(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions[s.hostID] == s {
		delete(l.sessions, s.hostID)
	}
}

// Forget ends the session of a host that was removed, and has the others take no ticket
// any more that it was given, or that was given for what it has.
func (l *Link) Forget(hostID string) {
	l.Disconnect(hostID)
	l.PeerTickets.Renew()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.sessions {
		l.tellPeerTickets(s)
	}
}

// tellPeerTickets tells a host by what it knows tickets from now on. l.mu is held, so that
// the latest is told last.
func (l *Link) tellPeerTickets(s *session) {
	if err := l.answer(s, &wire.PeerTickets{Key: l.PeerTickets.Key()}); err != nil {
		s.end()
	}
}

// catchUpPeerTickets tells a host that was welcomed just before a host was removed.
func (l *Link) catchUpPeerTickets(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !s.peers.Equal(l.PeerTickets.Key()) {
		l.tellPeerTickets(s)
	}
}

// Disconnect ends a host's session, if there is one.
func (l *Link) Disconnect(hostID string) {
	l.mu.Lock()
	s := l.sessions[hostID]
	l.mu.Unlock()
	if s != nil {
		s.end()
	}
}
