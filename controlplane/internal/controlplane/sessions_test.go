package controlplane

import (
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/auth"
	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// login opens a session for the holder of a role's key and returns its token.
func (d *door) login(role fleet.Role) string {
	d.t.Helper()
	session, err := d.sessions.ByKey(d.t.Context(), d.key[role])
	if err != nil {
		d.t.Fatal(err)
	}
	return session.Token.Reveal()
}

// bySession is the holder of a role's key who logged in now.
func (d *door) bySession(role fleet.Role, may edge.Permission) *edge.Caller {
	caller := d.caller(role, may)
	caller.Expires = d.clock.Add(auth.SessionTTL)
	return caller
}

func TestASessionIsItsKey(t *testing.T) {
	d := newDoor(t)
	for role, may := range map[fleet.Role]edge.Permission{fleet.RoleViewer: edge.Read, fleet.RoleAdmin: edge.Administer} {
		d.want(edge.Credentials{Cookie: d.login(role)}, d.bySession(role, may))
	}
}

func TestASessionIsTakenAsACookieAlone(t *testing.T) {
	d := newDoor(t)
	token := d.login(fleet.RoleAdmin)
	for _, c := range []edge.Credentials{
		{Bearer: token}, {URLKey: token}, {Ticket: token}, {Subprotocols: []string{"bearer." + token}}, {Cookie: token + "x"},
	} {
		d.want(c, nil)
	}
}

func TestASessionEnds(t *testing.T) {
	d := newDoor(t)
	c := edge.Credentials{Cookie: d.login(fleet.RoleViewer)}
	caller, err := d.Authenticate(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := d.tickets.Issue(caller)
	if err != nil {
		t.Fatal(err)
	}
	d.keys.EndSessions()
	select {
	case <-caller.Gone:
	default:
		t.Error("what it opened was not told")
	}
	d.want(edge.Credentials{Ticket: ticket.Reveal()}, nil)
	d.clock = d.clock.Add(auth.SessionTTL)
	d.want(c, nil)
	d.want(edge.Credentials{Bearer: d.key[fleet.RoleViewer]}, d.caller(fleet.RoleViewer, edge.Read))
}

// A browser sends what it has, long after that was of any use.
func TestAnEndedSessionIsNobodyWhereNoKeyIsNeeded(t *testing.T) {
	d := newDoor(t)
	d.security.APIKeyRequired = false
	token := d.login(fleet.RoleViewer)
	d.clock = d.clock.Add(auth.SessionTTL)
	d.want(edge.Credentials{Cookie: token}, &edge.Caller{Name: "anonymous", May: edge.Operate, Anonymous: true})
}
