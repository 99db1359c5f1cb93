package controlplane

import (
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/auth"
	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// ticket makes one for the holder of a role's key.
func (d *door) ticket(role fleet.Role) string {
	d.t.Helper()
	caller, err := d.Authenticate(d.t.Context(), edge.Credentials{Bearer: d.key[role]})
	if err != nil {
		d.t.Fatal(err)
	}
	secret, err := d.tickets.Issue(caller)
	if err != nil {
		d.t.Fatal(err)
	}
	return secret.Reveal()
}

// byTicket is the holder of a role's key who came by a ticket.
func (d *door) byTicket(role fleet.Role, may edge.Permission) *edge.Caller {
	caller := d.caller(role, may)
	caller.ByTicket = true
	return caller
}

func TestATicketIsGoodOnce(t *testing.T) {
	d := newDoor(t)
	for role, may := range map[fleet.Role]edge.Permission{fleet.RoleViewer: edge.Read, fleet.RoleAdmin: edge.Administer} {
		c := edge.Credentials{Ticket: d.ticket(role)}
		d.want(c, d.byTicket(role, may))
		d.want(c, nil)
	}
}

func TestATicketIsGoodForItsTime(t *testing.T) {
	d := newDoor(t)
	inTime, late := d.ticket(fleet.RoleViewer), d.ticket(fleet.RoleViewer)
	d.clock = d.clock.Add(auth.TicketTTL - 1)
	d.want(edge.Credentials{Ticket: inTime}, d.byTicket(fleet.RoleViewer, edge.Read))
	d.clock = d.clock.Add(1)
	d.want(edge.Credentials{Ticket: late}, nil)
}

func TestATicketEndsWithItsKey(t *testing.T) {
	d := newDoor(t)
	redeemed, waiting := d.ticket(fleet.RoleViewer), d.ticket(fleet.RoleViewer)
	caller, err := d.Authenticate(t.Context(), edge.Credentials{Ticket: redeemed})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.keys.Revoke(t.Context(), d.id[fleet.RoleViewer]); err != nil {
		t.Fatal(err)
	}
	select {
	case <-caller.Gone:
	default:
		t.Error("who came by the ticket was not told")
	}
	d.want(edge.Credentials{Ticket: waiting}, nil)
}

func TestATicketIsNoKey(t *testing.T) {
	d := newDoor(t)
	ticket := d.ticket(fleet.RoleAdmin)
	for _, c := range []edge.Credentials{
		{Bearer: ticket}, {URLKey: ticket}, {Cookie: ticket}, {Subprotocols: []string{"bearer." + ticket}},
	} {
		d.want(c, nil)
	}
	// A good key beside it is enough, and spends nothing.
	d.want(edge.Credentials{Bearer: d.key[fleet.RoleViewer], Ticket: ticket}, d.caller(fleet.RoleViewer, edge.Read))
	d.want(edge.Credentials{Bearer: madeUp, Ticket: ticket}, d.byTicket(fleet.RoleAdmin, edge.Administer))
}

// Nobody shows a ticket who has not been given one.
func TestASpentTicketIsRefusedWhereNoKeyIsNeeded(t *testing.T) {
	d := newDoor(t)
	d.security.APIKeyRequired = false
	c := edge.Credentials{Ticket: d.ticket(fleet.RoleViewer)}
	d.want(c, d.byTicket(fleet.RoleViewer, edge.Read)) // never more than the key may
	d.want(c, nil)
	d.want(edge.Credentials{Ticket: "made up"}, nil)
}
