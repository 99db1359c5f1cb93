package agentlink

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/auth"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

func TestAHostThatLeavesIsForgottenAndItsKeyRefused(t *testing.T) {
	l := newLab(t)
	a := l.newAgent("alpha")
	a.connect()
	l.awaitState(a.id(), fleet.HostOnline)
	a.close()
	if err := l.ended(); err != nil {
		t.Fatal(err)
	}
	leaver := a.clone("another run")
	leaver.hello.Leave = true
	leaver.wantRefused(leaver.greet(), wire.RejectRemoved)
	if _, err := l.registry.Find(a.id()); fault.KindOf(err) != fault.NotFound {
		t.Errorf("the host is still known: %v", err)
	}
	if stored, err := l.db.Hosts(t.Context()); err != nil || len(stored) != 0 {
		t.Errorf("stored: %+v, %v", stored, err)
	}
	back := a.clone("a third run")
	back.wantRefused(back.greet(), wire.RejectNotJoined)
	again := a.clone("a fourth run")
	again.hello.Leave = true
	again.wantRefused(again.greet(), wire.RejectNotJoined) // who left already learns it
}

func TestACloneCannotHaveTheHostForgotten(t *testing.T) {
	l := newLab(t)
	a := l.newAgent("alpha")
	a.connect()
	l.awaitState(a.id(), fleet.HostOnline)
	clone := a.clone("another run")
	clone.hello.Leave = true
	clone.wantRefused(clone.greet(), wire.RejectDuplicateIdentity)
	a.roundTrip()
	l.awaitState(a.id(), fleet.HostDegraded) // and shown
}

func TestASignatureForASessionIsNoneForLeaving(t *testing.T) {
	l := newLab(t)
	a := l.newAgent("alpha")
	a.connect()
	l.awaitState(a.id(), fleet.HostOnline)
	forger := a.clone(a.hello.RunID)
	hello := forger.signed(forger.dial())
	hello.Leave = true
	forger.write(hello)
	forger.wantRefused(forger.read(), wire.RejectProof)
}

func TestAHostWaitsForApproval(t *testing.T) {
	l := newLab(t)
	a := l.newAgent("alpha")
	a.hello.Token = l.tokenOf(auth.TokenSpec{TTL: time.Hour, Uses: 1, Approve: true})
	for range 2 { // the second time it comes as one that is known
		r := a.wantRefused(a.greet(), wire.RejectPending)
		if r.RetryAfterMillis == 0 || !strings.Contains(r.Message, "corral host approve alpha") {
			t.Errorf("it is told %+v", r)
		}
	}
	host, err := l.registry.Find(a.id())
	if err != nil || host.State != fleet.HostPending || host.Facts.Hostname != "alpha" {
		t.Fatalf("the host is %+v, %v", host, err)
	}
	if after := l.restarted(a.id()); after.State != fleet.HostPending {
		t.Errorf("after a restart it is %s", after.State)
	}
	host.Pending = false
	if err := l.db.SaveHost(t.Context(), host.Host); err != nil {
		t.Fatal(err)
	}
	l.registry.Put(host.Host)
	l.awaitState(a.id(), fleet.HostAway)
	a.connect()
	l.awaitState(a.id(), fleet.HostOnline)
}

// TestARemovedHostsTicketsAreVoid has the hosts that stay learn of another key, also one
// that is just being welcomed.
func TestARemovedHostsTicketsAreVoid(t *testing.T) {
	for name, remove := range map[string]func(l *lab, a *agent){
		"removed": func(l *lab, a *agent) { l.Forget(a.id()) },
		"left by itself": func(l *lab, a *agent) {
			a.close()
			if err := l.ended(); err != nil {
				t.Fatal(err)
			}
			leaver := a.clone("another run")
			leaver.hello.Leave = true
			leaver.wantRefused(leaver.greet(), wire.RejectRemoved)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			stays, goes, late := l.newAgent("stays"), l.newAgent("goes"), l.newAgent("late")
			if key := stays.connect().PeerTicketKey; !bytes.Equal(key, l.peers.Key()) {
				t.Fatalf("it is welcomed with the key %x", key)
			}
			goes.connect()
			l.awaitState(goes.id(), fleet.HostOnline)
			before := l.peers.Key()
			if welcome, ok := late.greet().(*wire.Welcome); !ok || !bytes.Equal(welcome.PeerTicketKey, before) {
				t.Fatalf("it is welcomed with %+v", welcome)
			}
			remove(l, goes)
			late.open()
			for who, a := range map[string]*agent{"who stays": stays, "who was being welcomed": late} {
				told, ok := a.next().(*wire.PeerTickets)
				if !ok || bytes.Equal(told.Key, before) || !bytes.Equal(told.Key, l.peers.Key()) {
					t.Errorf("%s is told %+v", who, told)
				}
			}
		})
	}
}
