package uplink

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
	"github.com/corral-fleet/corral/sdk/wire/tunnel"
)

// Join joins by the token at the first address that answers, keeps what it is
// told, and ends the session at once. It returns that address.
//
// A refusal is of the kind fault.Unauthenticated, and ends the trying; see
// [ApprovalIn]. That no address answered is fault.Unavailable.
func (u *Uplink) Join(ctx context.Context) (*url.URL, error) {
	return u.first(func(server *url.URL) error { return u.joinAt(ctx, server) })
}

// ApprovalIn reports whether an agent was refused because an operator has yet to
// approve its host, and in how long it may ask again.
func ApprovalIn(err error) (time.Duration, bool) {
	refused, ok := errors.AsType[*refusal](err)
	if !ok || refused.Code != wire.RejectPending {
		return 0, false
	}
	return refused.delay(), true
}

// Forgotten reports whether an agent was refused because the control plane does
// not know its host.
func Forgotten(err error) bool {
	refused, ok := errors.AsType[*refusal](err)
	return ok && refused.Code == wire.RejectNotJoined
}

// Leave has the control plane forget the host and refuse its key. One that does
// not know the host is no error. That no address answered is fault.Unavailable.
func (u *Uplink) Leave(ctx context.Context) error {
	_, err := u.first(func(server *url.URL) error { return u.leaveAt(ctx, server) })
	return err
}

// first tries each address once, until one of them answers.
func (u *Uplink) first(try func(server *url.URL) error) (*url.URL, error) {
	var failures []error
	for _, server := range u.Servers {
		err := try(server)
		if err == nil {
			return server, nil
		}
		if _, refused := errors.AsType[*refusal](err); refused {
			return server, err
		}
		failures = append(failures, err)
	}
	if len(failures) == 1 {
		return nil, failures[0]
	}
	return nil, errors.Join(failures...)
}

func (u *Uplink) joinAt(ctx context.Context, server *url.URL) error {
	ws, err := u.dial(ctx, server)
	if err != nil {
		return err
	}
	defer ws.Close()
	if _, err := u.handshake(ctx, ws); err != nil {
		return err
	}
	// It has joined, whatever becomes of the goodbye; without one the host would
	// count as away, not as stopped.
	mux := tunnel.Client(ws)
	defer mux.Close()
	control, err := mux.Open()
	if err != nil {
		return nil
	}
	s := &session{Uplink: u, out: wire.NewWriter(timedWriter{control})}
	if err := s.goodbye(mux, control, farewell(ctx)); err != nil {
		u.Log.Debug("goodbye not delivered", "error", err)
	}
	return nil
}

func (u *Uplink) leaveAt(ctx context.Context, server *url.URL) error {
	ws, err := u.dial(ctx, server)
	if err != nil {
		return err
	}
	defer ws.Close()
	answer, err := u.prove(ctx, ws, true)
	if err != nil {
		return err
	}
	reject, ok := answer.(*wire.Reject)
	switch {
	case !ok:
		return fault.New(fault.Unavailable, "the control plane at %s is too old to be left; remove the host there", server)
	case reject.Code == wire.RejectRemoved, reject.Code == wire.RejectNotJoined:
		return nil
	}
	return &refusal{*reject}
}
