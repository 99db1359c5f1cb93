package api

import (
	"context"

	"github.com/corral-fleet/corral/controlplane/internal/auth"
	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/sdk/fault"
)

// createTicket answers with a ticket that opens one WebSocket for the caller. A
// caller without a key has nothing that a ticket could stand for: whether such
// callers are let in, and as what, is decided anew at each connection.
func (a *API) createTicket(_ context.Context, r *edge.Request) (*edge.Response, error) {
	if r.Caller.Anonymous {
		return nil, fault.New(fault.Unauthenticated, "a ticket stands for a key; send one as \"Authorization: Bearer KEY\", or connect without a ticket").On(fault.Caller)
	}
	ticket, err := a.Tickets.Issue(r.Caller)
	if err != nil {
		return nil, err
	}
	resp, err := edge.JSON(200, struct {
		Ticket           string `json:"ticket"`
		ExpiresInSeconds int    `json:"expires_in_seconds"`
	}{ticket.Reveal(), int(auth.TicketTTL.Seconds())})
	if err != nil {
		return nil, err
	}
	resp.Header = append(resp.Header, edge.HeaderField{Name: "Cache-Control", Value: "no-store"})
	return resp, nil
}
