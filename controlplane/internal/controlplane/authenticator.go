package controlplane

import (
	"context"
	"iter"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/auth"
	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/settings"
	"github.com/corral-fleet/corral/sdk/fault"
)

// authenticator knows callers by their keys and sessions, and lets those without
// one in where the settings say so.
type authenticator struct {
	keys     *auth.Keyring
	sessions *auth.Sessions
	tickets  *auth.Tickets[edge.Caller]
	settings func() *settings.AppConfig
}

// bearerProtocol is the prefix of the WebSocket subprotocol that carries a key.
const bearerProtocol = "bearer."

// keyPrefix begins every key of ours.
const keyPrefix = "crl_"

// Authenticate implements [edge.Authenticator]. Where a request carries several
// keys, one that is good is enough: clients that can set only a URL send a
// made-up one in the header beside it.
func (a *authenticator) Authenticate(ctx context.Context, c edge.Credentials) (edge.Caller, error) {
	shown, ours := false, false
	for secret := range presented(c) {
		if key, gone, ok := a.keys.Lookup(ctx, secret); ok {
			return edge.Caller{ID: key.ID, Name: key.Name, May: permissionOf(key.Role), Priority: key.Priority, Gone: gone}, nil
		}
		shown, ours = true, ours || strings.HasPrefix(secret, keyPrefix)
	}
	// Nobody is made to show a ticket, so one that is not good is never let
	// pass, not even where no key is needed.
	if c.Ticket != "" {
		return a.redeem(c.Ticket)
	}
	if c.Cookie != "" {
		if key, expires, ended, ok := a.sessions.Find(c.Cookie); ok {
			return edge.Caller{
				ID: key.ID, Name: key.Name, May: permissionOf(key.Role), Priority: key.Priority, Expires: expires, Gone: ended,
			}, nil
		}
	}
	security := &a.settings().Security
	// Clients that insist on some key, as OpenAI's do, get in where none is
	// needed; a key that looks like one of ours was meant to count.
	if !security.APIKeyRequired && !ours {
		may := permissionOf(security.AnonymousRole)
		if may == edge.Administer && !c.RemoteIP.IsLoopback() {
			may = edge.Operate
		}
		return edge.Caller{Name: "anonymous", May: may, Anonymous: true}, nil
	}
	switch {
	case shown:
		return edge.Caller{}, fault.New(fault.Unauthenticated, "the key is unknown or revoked").On(fault.Caller)
	case c.Cookie != "":
		return edge.Caller{}, fault.New(fault.Unauthenticated, "the session has ended; log in again").On(fault.Caller)
	}
	return edge.Caller{}, fault.New(fault.Unauthenticated, "a key is needed: send it as \"Authorization: Bearer KEY\", or put /k/KEY in front of the path").On(fault.Caller)
}

// redeem returns who a ticket was made for, whose key has to be good still: it
// ends what the ticket opened as if it had been shown itself.
func (a *authenticator) redeem(ticket string) (edge.Caller, error) {
	caller, ok := a.tickets.Redeem(ticket)
	if !ok {
		return edge.Caller{}, fault.New(fault.Unauthenticated, "the ticket is unknown, used or older than %v; POST /api/tickets makes a new one", auth.TicketTTL).On(fault.Caller)
	}
	select {
	case <-caller.Gone:
		return edge.Caller{}, fault.New(fault.Unauthenticated, "the key or session that asked for the ticket has ended").On(fault.Caller)
	default:
	}
	caller.ByTicket = true
	return caller, nil
}

// presented yields the keys that a request carries, wherever they stand.
func presented(c edge.Credentials) iter.Seq[string] {
	return func(yield func(string) bool) {
		if c.Bearer != "" && !yield(c.Bearer) {
			return
		}
		if c.URLKey != "" && !yield(c.URLKey) {
			return
		}
		for _, p := range c.Subprotocols {
			if key, ok := strings.CutPrefix(p, bearerProtocol); ok && !yield(key) {
				return
			}
		}
	}
}

func permissionOf(role fleet.Role) edge.Permission {
	switch role {
	case fleet.RoleViewer:
		return edge.Read
	case fleet.RoleInference:
		return edge.Infer
	case fleet.RoleOperator:
		return edge.Operate
	case fleet.RoleAdmin:
		return edge.Administer
	}
	return 0
}
