package models

import (
	"errors"
	"net/url"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
)

func TestATicketIsForOneFileAndForAWhile(t *testing.T) {
	c := &clock{at: noon()}
	tickets := NewTickets(c.now)
	good, program := queryOf(t, tickets.File("default", "models/a b?c")), queryOf(t, tickets.Program("abc"))
	if err := errors.Join(tickets.CheckFile("default", good), tickets.CheckProgram("abc", program)); err != nil {
		t.Fatal(err)
	}
	other := queryOf(t, tickets.File("default", "models/a"))
	other.Set("path", "models/b")
	later := queryOf(t, tickets.File("default", "models/a"))
	later.Set("expires", "99999999999")
	for name, err := range map[string]error{
		"another storage": tickets.CheckFile("other", good), "another file": tickets.CheckFile("default", other), "a later end": tickets.CheckFile("default", later),
		"another run": NewTickets(c.now).CheckFile("default", good), "nothing": tickets.CheckFile("default", nil),
		"another program": tickets.CheckProgram("abd", program), "a file for a program": tickets.CheckFile("abc", program),
	} {
		if fault.KindOf(err) != fault.NotFound {
			t.Errorf("%s: %v", name, err)
		}
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
