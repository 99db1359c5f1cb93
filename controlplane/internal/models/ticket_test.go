package models

import (
	"errors"
	"net/url"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
)

func TestATicketIsForOneFileAndForAWhile(t *testing.T) {
	c := &clock{at: noon()}
	var removed bool
	joined := func(id string) bool { return id == "h" && !removed }
	tickets := NewTickets(joined, c.now)
	good, program := queryOf(t, tickets.File("h", "default", "models/a b?c")), queryOf(t, tickets.Program("h", "abc"))
	if err := errors.Join(tickets.CheckFile("default", good), tickets.CheckProgram("abc", program)); err != nil {
		t.Fatal(err)
	}
	other := queryOf(t, tickets.File("h", "default", "models/a"))
	other.Set("path", "models/b")
	later := queryOf(t, tickets.File("h", "default", "models/a"))
	later.Set("expires", "99999999999")
	stolen := queryOf(t, tickets.File("gone", "default", "models/a"))
	stolen.Set("host", "h")
	for name, err := range map[string]error{
		"another storage": tickets.CheckFile("other", good), "another file": tickets.CheckFile("default", other), "a later end": tickets.CheckFile("default", later),
		"another run": NewTickets(joined, c.now).CheckFile("default", good), "nothing": tickets.CheckFile("default", nil),
		"another host's": tickets.CheckFile("default", stolen), "no host's": tickets.CheckFile("default", queryOf(t, tickets.File("gone", "default", "models/a"))),
		"another program": tickets.CheckProgram("abd", program), "a file for a program": tickets.CheckFile("abc", program),
	} {
		if fault.KindOf(err) != fault.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	removed = true
	for what, err := range map[string]error{"file": tickets.CheckFile("default", good), "program": tickets.CheckProgram("abc", program)} {
		if fault.KindOf(err) != fault.NotFound {
			t.Errorf("the %s of a host that was removed: %v", what, err)
		}
	}
	removed = false
	if err := tickets.CheckFile("default", good); err != nil {
		t.Error(err)
	}
	c.pass(ticketTTL)
	if err := tickets.CheckFile("default", good); fault.KindOf(err) != fault.NotFound {
		t.Errorf("after its end: %v", err)
	}
}

func queryOf(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}
