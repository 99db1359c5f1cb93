package api

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
	"github.com/corral-fleet/corral/sdk/fault"
)

func TestATicketStandsForItsCaller(t *testing.T) {
	f := start(t, relaytest.NoModels)
	for _, may := range relaytest.Permissions() {
		got := f.Do(may, "POST", "/api/tickets", "")
		var made struct {
			Ticket string `json:"ticket"`
		}
		if err := json.Unmarshal([]byte(got.Body), &made); err != nil || got.Status != 200 {
			t.Fatalf("%d %v: %s", got.Status, err, got.Body)
		}
		if want := `{"ticket":"` + made.Ticket + `","expires_in_seconds":30}`; got.Body != want {
			t.Errorf("%s, want %s", got.Body, want)
		}
		if got := got.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("Cache-Control is %q", got)
		}
		holder, ok := f.tickets.Redeem(made.Ticket)
		want := edge.Caller{ID: may.String(), Name: may.String(), May: may, Priority: relaytest.Priority}
		if diff := cmp.Diff(want, holder); diff != "" || !ok {
			t.Errorf("good is %v, holder (-want +got)\n%s", ok, diff)
		}
	}
}

func TestWithoutAKeyThereIsNoTicket(t *testing.T) {
	_, err := new(API).createTicket(t.Context(), &edge.Request{Caller: edge.Caller{May: edge.Operate, Anonymous: true}})
	if fault.KindOf(err) != fault.Unauthenticated || fault.SideOf(err) != fault.Caller {
		t.Errorf("error is %v", err)
	}
}

func TestTooManyTickets(t *testing.T) {
	f := start(t, relaytest.NoModels)
	for _, err := f.tickets.Issue(edge.Caller{}); err == nil; {
		_, err = f.tickets.Issue(edge.Caller{})
	}
	if got := f.Do(edge.Read, "POST", "/api/tickets", ""); got.Status != 429 || got.Header.Get("Retry-After") == "" {
		t.Errorf("%d %v %s", got.Status, got.Header, got.Body)
	}
}
