package edge

import (
	"context"
	"net/netip"
	"time"
)

// Permission is what a route demands and what a caller may do. Each permission
// includes those before it. The zero value is no permission at all: a route
// that bears it is refused when it is added, and a caller that bears it may
// reach nothing but public routes.
type Permission uint8

// The permissions, weakest first.
const (
	Public     Permission = iota + 1 // everyone, with or without a key
	Read                             // sees hosts, models and metrics
	Infer                            // calls models
	Operate                          // manages models, hosts and storages
	Administer                       // manages settings and keys
)

var permissionNames = [...]string{Public: "public", Read: "read", Infer: "infer", Operate: "operate", Administer: "administer"}

// String returns the permission's name; a number without one reads as "none".
func (p Permission) String() string {
	if p == 0 || int(p) >= len(permissionNames) {
		return "none"
	}
	return permissionNames[p]
}

// role is what people call who has a permission.
func (p Permission) role() string {
	switch p {
	case Read:
		return "viewer"
	case Infer:
		return "inference"
	case Operate:
		return "operator"
	case Administer:
		return "admin"
	}
	return p.String()
}

// Caller is who makes a request.
type Caller struct {
	ID        string // of the key or session; empty without one
	Name      string // for people
	May       Permission
	Priority  int             // of the key among those that wait for a model; 0 without one
	Anonymous bool            // nothing that the caller sent proves who it is
	ByTicket  bool            // let in once, by a ticket that is spent now
	Expires   time.Time       // when the session by which it came expires; zero when it came otherwise
	Gone      <-chan struct{} // closed when the key or session is revoked; nil when it can't be
}

// Credentials are what a request carries to prove who makes it. When it
// carries a secret that only its maker can have put there (a header, a URL, a
// ticket, a subprotocol), the cookie is left out: a browser adds cookies to
// requests that others made up.
type Credentials struct {
	Bearer       string   // of "Authorization: Bearer", else of "x-api-key"
	URLKey       string   // of a path that starts with /k/KEY/
	Ticket       string   // of ?ticket=, on WebSockets alone
	Subprotocols []string // that a WebSocket asks for; one of them may be "bearer.KEY"
	Cookie       string   // the session cookie's value
	RemoteIP     netip.Addr
}

// Authenticator knows callers by their credentials. It may be called by many
// goroutines at once.
type Authenticator interface {
	// Authenticate returns who has these credentials. Without any, or with ones
	// that nobody has, it returns fault.Unauthenticated, or an anonymous caller
	// where the settings let those in. A caller that asks too often is
	// fault.RateLimited, best with the time after which it may ask again.
	Authenticate(ctx context.Context, c Credentials) (Caller, error)
}
