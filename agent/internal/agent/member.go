package agent

import (
	"context"
	"net/url"
	"slices"
	"time"

	"github.com/corral-fleet/corral/agent/internal/hostmetrics"
	"github.com/corral-fleet/corral/agent/internal/identity"
	"github.com/corral-fleet/corral/agent/internal/uplink"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// Join joins the control plane and keeps what it learns; nothing runs afterwards.
// Where the token wants an operator's approval, waiting is called with the reason
// at first, and Join goes on asking until ctx ends.
//
// It is fault.Conflict while another agent works with the data directory,
// fault.Unauthenticated when the control plane refuses, and fault.Unavailable when
// none can be reached.
func (a *Agent) Join(ctx context.Context, waiting func(reason string)) (joined identity.Membership, server *url.URL, err error) {
	if len(a.cfg.Server) == 0 {
		return identity.Membership{}, nil, noServer()
	}
	id, err := identity.Open(a.cfg.DataDir)
	if err != nil {
		return identity.Membership{}, nil, err
	}
	defer id.Close() // releases the lock; nothing is written by it
	link := a.visitor(id)
	for asked := false; ; asked = true {
		server, err = link.Join(ctx)
		wait, pending := uplink.ApprovalIn(err)
		if !pending {
			return id.Membership(), server, err
		}
		if !asked {
			waiting(fault.MessageOf(err))
		}
		select {
		case <-ctx.Done():
			return identity.Membership{}, nil, err
		case <-time.After(wait):
		}
	}
}

// Forgotten reports whether the control plane that was joined is known to have
// forgotten this host, as after its removal there. It is false where that cannot
// be found out, as while an agent works with the data directory.
func (a *Agent) Forgotten(ctx context.Context) bool {
	id, err := identity.Open(a.cfg.DataDir)
	if err != nil {
		return false
	}
	defer id.Close()
	if !id.Joined() {
		return false
	}
	_, err = a.visitor(id).Join(ctx)
	return uplink.Forgotten(err)
}

// Leave has the control plane forget this host, and then forgets the control
// plane; the key stays. With force it does the latter even where the control plane
// cannot be told, and returns why as told. An agent that is no member has nothing
// to leave, which is no error.
//
// It is fault.Conflict while an agent works with the data directory: that one
// would go on.
func (a *Agent) Leave(ctx context.Context, force bool) (left identity.Membership, told, err error) {
	id, err := identity.Open(a.cfg.DataDir)
	if err != nil {
		return left, nil, err
	}
	defer id.Close()
	left = id.Membership()
	if !id.Joined() {
		return left, nil, nil
	}
	link := a.visitor(id)
	if len(link.Servers) == 0 {
		told = noServer()
	} else {
		told = link.Leave(ctx)
	}
	if told != nil && !force {
		return left, told, told
	}
	return left, told, id.Leave()
}

// visitor returns a link that has nothing to report.
func (a *Agent) visitor(id *identity.Identity) *uplink.Uplink {
	sampler := hostmetrics.New(hostmetrics.Options{Logger: a.log.Named("host")})
	return uplink.New(uplink.Options{
		Servers: a.servers(id.Membership()), Insecure: a.cfg.Insecure, Token: a.cfg.Token.Reveal(), ServerCAFile: a.cfg.ServerCAFile,
		Identity: id, Log: a.log.Named("uplink"),
		Facts: func(ctx context.Context) (wire.HostFacts, error) { return a.facts(ctx, sampler, "") },
	})
}

// Elsewhere reports whether a token is of another control plane than the one
// that was joined.
func Elsewhere(joined identity.Membership, token string) (bool, error) {
	parsed, err := wire.ParseJoinToken(token)
	if err != nil {
		return false, fault.New(fault.Invalid, "%v", err)
	}
	return !slices.ContainsFunc(joined.Authorities(), parsed.Names), nil
}
