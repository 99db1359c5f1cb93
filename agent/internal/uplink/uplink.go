// Package uplink keeps an agent connected to its control plane: it dials,
// proves who it is, carries samples and instance reports up and actions down,
// and hands the streams that the control plane opens to whoever serves them.
package uplink

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/agent/internal/identity"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// Identity is what the uplink proves, and keeps of what it is told at joining.
type Identity interface {
	PrivateKey() ed25519.PrivateKey
	Joined() bool
	Membership() identity.Membership // zero before joining
	SaveJoined(identity.Membership) error
}

// Options are what an [Uplink] works with. All fields but Insecure, Token, ServerCAFile
// and PeerTickets are required to run; to join and to leave, those up to Facts and Log.
type Options struct {
	Servers  []*url.URL // of one control plane; tried in turn, the one that answered last first
	Insecure bool       // allow plain connections beyond loopback
	Token    string     // a join token, used until the agent has joined
	// ServerCAFile names a file of certificates in PEM. A control plane behind a
	// certificate by one of these authorities is trusted under the name by which it
	// is reached, beside one behind its own authority's.
	ServerCAFile string
	Identity     Identity
	Facts        func(ctx context.Context) (wire.HostFacts, error)
	// PeerTickets is told the key by which tickets of other hosts are good from now on,
	// which is none where this host isn't one of the fleet's; nil is nobody.
	PeerTickets func(key []byte)
	Samples     *Ring
	// Steady is the clock by which the samples are dated.
	Steady func() time.Time
	// Instances returns the state of every instance; Changed has an element
	// when it differs from what was returned before.
	Instances func() []wire.Instance
	Changed   <-chan struct{}
	// GPUs returns how GPUs are read and what they are; GPUsChanged has an element
	// when that differs, but for numbers, from what was returned before.
	GPUs        func() *wire.GPUReport
	GPUsChanged <-chan struct{}
	// Act carries an action out. Its error's kind and sentence are the result.
	Act func(ctx context.Context, a *wire.Action) error
	// Serve serves a stream that the control plane opened, and closes it.
	Serve func(ctx context.Context, stream net.Conn)
	// Leaving is closed when the agent is about to end and takes on no more
	// requests. What is under way has Grace.
	Leaving <-chan struct{}
	Grace   time.Duration
	Log     hclog.Logger
}

// Uplink is an agent's connection to its control plane.
type Uplink struct {
	Options
	runID string
	rota  rota // of the goroutine that runs

	mu     sync.Mutex
	status Status
}

// Status is how the connection stands.
type Status struct {
	Connected bool
	Server    string    // of the connection, or of the last attempt
	Since     time.Time // of the connection's state
	Err       error     // why it is not connected; nil before the first attempt
}

// New returns an uplink that has not dialled yet.
func New(o Options) *Uplink {
	var id [16]byte
	rand.Read(id[:]) // never fails; see crypto/rand
	return &Uplink{Options: o, runID: hex.EncodeToString(id[:]), rota: newRota(o.Servers)}
}

// Status returns how the connection stands.
func (u *Uplink) Status() Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.status
}

func (u *Uplink) setStatus(s Status) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if s.Connected == u.status.Connected && !u.status.Since.IsZero() {
		s.Since = u.status.Since
	}
	u.status = s
}

// ErrAsleep is the cause with which a context of [Uplink.Run] ends when the host goes
// to sleep.
var ErrAsleep = errors.New("the host goes to sleep")

// Run keeps the agent connected until ctx ends, and returns nil then, having told
// the control plane whether the agent stops or the host sleeps. It may be called
// again after that, as often as the host wakes. It gives up only when an agent that never joined is refused: nothing but another
// token can help then.
func (u *Uplink) Run(ctx context.Context) error {
	var wait backoff
	for {
		server := u.rota.next()
		started := time.Now()
		err := u.connect(ctx, server)
		u.setStatus(Status{Server: server.String(), Since: time.Now(), Err: err})
		if ctx.Err() != nil {
			return nil //nolint:nilerr // a connection that was ended on purpose
		}
		if time.Since(started) > steady {
			wait.reset()
		}
		delay := wait.next()
		if refused, ok := errors.AsType[*refusal](err); ok {
			if !u.Identity.Joined() && refused.final() {
				return err
			}
			delay += refused.delay()
		}
		u.Log.Warn("not connected to the control plane", "server", server.String(), "error", err, "retry_in", delay.Round(time.Millisecond).String())
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(delay):
		}
	}
}

// refusal is a handshake that the control plane ended.
type refusal struct {
	wire.Reject
}

func (r *refusal) Error() string { return r.Message }

// Unwrap gives the refusal a kind.
func (r *refusal) Unwrap() error { return fault.New(fault.Unauthenticated, "%s", r.Message) }

// final reports whether trying again with the same token is of no use.
func (r *refusal) final() bool {
	return slices.Contains([]string{wire.RejectNotJoined, wire.RejectToken, wire.RejectVersion}, r.Code)
}

// delay is how long to stay away at least. Agents that were all told the same
// are spread by the random delay on top.
func (r *refusal) delay() time.Duration {
	switch {
	case r.RetryAfterMillis > 0:
		return time.Duration(r.RetryAfterMillis) * time.Millisecond
	case r.final():
		return refusedDelay
	}
	return 0
}

// addresses returns those of the control plane, as they are kept.
func (u *Uplink) addresses() []string {
	list := make([]string, 0, len(u.Servers))
	for _, server := range u.Servers {
		list = append(list, server.String())
	}
	return list
}
