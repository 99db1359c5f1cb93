package auth_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/auth"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// link makes a link for the gate's key.
func (g *gate) link() string {
	g.t.Helper()
	secret, err := auth.NewLinks(g.state, g.clock.now).Create(g.t.Context(), g.stored.ID)
	if err != nil {
		g.t.Fatal(err)
	}
	return secret.Reveal()
}

// wantRefused wants a link to be refused with a sentence.
func (g *gate) wantRefused(link, sentence string) {
	g.t.Helper()
	_, err := g.ByLink(g.t.Context(), link)
	if fault.KindOf(err) != fault.Unauthenticated || fault.SideOf(err) != fault.Caller || !strings.Contains(fault.MessageOf(err), sentence) {
		g.t.Errorf("error is %v, want one that says %q", err, sentence)
	}
}

func TestALinkOpensOneSession(t *testing.T) {
	g := newGate(t)
	link, other := g.link(), g.link()
	session, err := g.ByLink(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	if key, _, _, ok := g.Find(session.Token.Reveal()); !ok || key.ID != g.stored.ID || session.Key.ID != g.stored.ID {
		t.Errorf("good is %v, for %v", ok, key)
	}
	g.wantRefused(link, "used already")
	if _, err := g.ByLink(t.Context(), other); err != nil {
		t.Errorf("another link of the same key: %v", err)
	}
}

func TestALinkExpires(t *testing.T) {
	g := newGate(t)
	inTime, late := g.link(), g.link()
	g.clock.advance(auth.LinkTTL - time.Microsecond)
	if _, err := g.ByLink(t.Context(), inTime); err != nil {
		t.Errorf("within its time: %v", err)
	}
	g.clock.advance(time.Microsecond)
	g.wantRefused(late, "expired")
}

func TestALinkEndsWithItsKey(t *testing.T) {
	g := newGate(t)
	link := g.link()
	if err := g.ring.Revoke(t.Context(), g.stored.ID); err != nil {
		t.Fatal(err)
	}
	g.wantRefused(link, "revoked")
	if _, err := auth.NewLinks(g.state, g.clock.now).Create(t.Context(), g.stored.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a new link for it: %v", err)
	}
}

func TestWhatIsNoLink(t *testing.T) {
	g := newGate(t)
	link := g.link()
	g.wantRefused("", "copied as a whole")
	g.wantRefused(link[:len(link)-1], "copied as a whole")
	g.wantRefused(link+" ", "copied as a whole")
	g.wantRefused(g.key.Reveal(), "copied as a whole")
	g.wantRefused("crn_"+strings.Repeat("A", 43), "not known here")
	g.wantRefused(link[:len(link)-1]+"\x00", "not known here")
	if _, err := g.ByLink(t.Context(), link); err != nil {
		t.Errorf("the right one after those: %v", err)
	}
	if _, err := g.ByKey(t.Context(), g.link()); fault.KindOf(err) != fault.Unauthenticated {
		t.Errorf("a link as a key: %v", err)
	}
}

// Two servers over one file stand for whoever comes at the same moment.
func TestALinkLetsOneIn(t *testing.T) {
	dir := t.TempDir()
	now := time.Now
	secret := func() string { return firstSecret }
	var doors [2]*auth.Sessions
	for i := range doors {
		state := openState(t, dir)
		doors[i] = auth.NewSessions(auth.NewKeyring(state, now, hclog.NewNullLogger()), state, secret, now)
	}
	state := openState(t, dir)
	_, key, err := auth.NewKeyring(state, now, hclog.NewNullLogger()).Create(t.Context(), "made elsewhere", fleet.RoleViewer, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		link, err := auth.NewLinks(state, now).Create(t.Context(), key.ID)
		if err != nil {
			t.Fatal(err)
		}
		var (
			callers sync.WaitGroup
			let     atomic.Int32
		)
		for i := range 10 {
			callers.Go(func() {
				session, err := doors[i%2].ByLink(t.Context(), link.Reveal())
				switch {
				case err == nil && session.Key.ID == key.ID:
					let.Add(1)
				case fault.KindOf(err) != fault.Unauthenticated:
					t.Errorf("let in as %v, error %v", session.Key, err)
				}
			})
		}
		callers.Wait()
		if let.Load() != 1 {
			t.Errorf("%d were let in", let.Load())
		}
	}
}

func TestALinkIsStoredHashed(t *testing.T) {
	dir := t.TempDir()
	state := openState(t, dir)
	_, key := create(t, newKeyring(t, state), "laptop")
	link, err := auth.NewLinks(state, time.Now).Create(t.Context(), key.ID)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), link.Reveal()[4:]) {
			t.Errorf("the secret stands in %s", filepath.Base(file))
		}
		found = found || strings.Contains(string(content), key.ID)
	}
	if !found {
		t.Error("the files are not those in which links are stored")
	}
}

func TestAKeyIsFoundByNameOrID(t *testing.T) {
	state := openState(t, t.TempDir())
	ring := newKeyring(t, state)
	_, old := create(t, ring, "laptop")
	if err := ring.Revoke(t.Context(), old.ID); err != nil {
		t.Fatal(err)
	}
	_, key := create(t, ring, "laptop")
	for _, asked := range []string{"laptop", key.ID} {
		if got, err := auth.FindKey(t.Context(), state, asked); err != nil || got.ID != key.ID {
			t.Errorf("%q: %v, %v", asked, got.ID, err)
		}
	}
	for _, asked := range []string{"", "lap", old.ID} {
		if got, err := auth.FindKey(t.Context(), state, asked); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%q: %v, %v", asked, got.ID, err)
		}
	}
}
