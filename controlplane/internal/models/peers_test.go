package models

import (
	"crypto/ed25519"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire/peer"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// hostKeyOf is the key of a test's host.
func hostKeyOf(name string) ed25519.PublicKey {
	return ed25519.NewKeyFromSeed([]byte(fmt.Sprintf("%-32s", name))).Public().(ed25519.PublicKey)
}

// peering has hosts listen for each other.
func peering(h *hosts, names ...string) {
	for _, name := range names {
		h.set(name, func(v *fleet.HostView) {
			v.PublicKey, v.Facts.PeerAddress = hostKeyOf(name), name+":11437"
		})
	}
}

// fetches holds all jobs up, and knows from where each host gets its model.
type fetches struct {
	mu    sync.Mutex
	from  map[string][]work.Peer // by host
	ended map[string]chan error  // by host
}

func watchFetches(h *hosts) *fetches {
	f := &fetches{from: map[string][]work.Peer{}, ended: map[string]chan error{}}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.work = func(to fleet.Target, job work.Job) error {
		if job.Kind != work.Load {
			return nil
		}
		f.mu.Lock()
		f.from[to.Host] = job.Sources["m.gguf"].Peers
		end := make(chan error, 1)
		f.ended[to.Host] = end
		f.mu.Unlock()
		h.set(to.Host, func(*fleet.HostView) {})
		return <-end
	}
	return f
}

// end lets a host's job end, well or with an error.
func (f *fetches) end(host string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended[host] <- err
	delete(f.ended, host)
}

func (f *fetches) endAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for host, end := range f.ended {
		end <- nil
		delete(f.ended, host)
	}
}

func (f *fetches) under() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.ended)
}

// parents returns the names of the hosts that a host may get its model from, in turn.
func (f *fetches) parents(t *testing.T, host string) (names []string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.from[host] {
		u, err := url.Parse(p.URL)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, u.Hostname())
	}
	return names
}

func (b *bench) want(name string, hosts ...string) {
	b.t.Helper()
	if _, err := b.Want(b.t.Context(), name, Where{Hosts: hosts}); err != nil {
		b.t.Fatal(err)
	}
}

func TestHostsThatGetAModelTogetherMakeATree(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	hosts := newHosts(names...)
	peering(hosts, names...)
	watched := watchFetches(hosts)
	b := newBench(t, newShelf(), hosts)
	b.take("tiny", "GGUF tiny")
	b.want("tiny", names...)
	b.await("all fetch", func() bool { return watched.under() == len(names) })
	readers, roots, deepest := map[string]int{}, 0, 0
	for _, name := range names {
		depth := 0
		for at := name; at != ""; depth++ {
			if depth > len(names) {
				t.Fatalf("%s gets it in a circle", name)
			}
			parents := watched.parents(t, at)
			at = ""
			if len(parents) > 0 {
				at = parents[0]
			}
		}
		deepest = max(deepest, depth)
		parents := watched.parents(t, name)
		if len(parents) == 0 {
			roots++
			continue
		}
		readers[parents[0]]++
		if above := watched.parents(t, parents[0]); len(above) > 0 && (len(parents) != 2 || parents[1] != above[0]) {
			t.Errorf("%s gets it from %v, and the first of these from %v", name, parents, above)
		}
	}
	if roots != 1 || deepest != 4 {
		t.Errorf("%d hosts get it from where it is stored, and it goes over %d", roots, deepest)
	}
	for name, n := range readers {
		if n > maxReaders {
			t.Errorf("%s sends to %d", name, n)
		}
	}
	watched.endAll()
	b.awaitOn("tiny", names...)
}

func TestTheHostThatHasAModelComesFirst(t *testing.T) {
	hosts := newHosts("attached", "away", "drained", "has", "new", "quiet")
	peering(hosts, "attached", "away", "drained", "has", "new")
	hosts.set("attached", func(v *fleet.HostView) { v.Instances[0].Mode = attached })
	watched := watchFetches(hosts)
	b := newBench(t, newShelf(), hosts)
	b.take("tiny", "GGUF tiny")
	for _, name := range []string{"attached", "away", "drained", "has", "quiet"} {
		b.want("tiny", name)
		b.await(name+" fetches", func() bool { return watched.under() == 1 })
		watched.endAll()
		b.await("it has it", func() bool { return watched.under() == 0 && len(b.model("tiny").Residencies) > 0 })
	}
	b.awaitOn("tiny", "attached", "away", "drained", "has", "quiet")
	hosts.set("away", func(v *fleet.HostView) { v.State = fleet.HostAway })
	hosts.set("drained", func(v *fleet.HostView) { v.Draining = true })
	b.want("tiny", "new")
	b.await("it fetches", func() bool { return watched.under() == 1 })
	if got := watched.parents(t, "new"); len(got) != 1 || got[0] != "has" {
		t.Errorf("it gets it from %v", got)
	}
	p := watched.from["new"][0]
	u, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := peer.Open(u.Query().Get(peer.TicketParameter), b.PeerTickets.Key())
	if err != nil {
		t.Fatal(err)
	}
	sha := digestOf([]byte("GGUF tiny"))
	if err := ticket.Check("id-has", sha, b.clock.now()); err != nil || string(ticket.Reader) != string(hostKeyOf("new")) || string(p.PublicKey) != string(hostKeyOf("has")) {
		t.Errorf("the ticket is %+v, %v", ticket, err)
	}
	if err := ticket.Check("id-has", sha, b.clock.now().Add(25*time.Hour)); fault.KindOf(err) != fault.Forbidden {
		t.Errorf("a day later: %v", err)
	}
	before := b.PeerTickets.Key()
	b.PeerTickets.Renew()
	if _, err := peer.Open(u.Query().Get(peer.TicketParameter), b.PeerTickets.Key()); fault.KindOf(err) != fault.Forbidden || b.PeerTickets.Key().Equal(before) {
		t.Errorf("when a host was removed: %v", err)
	}
	if strings.Contains(u.Path, "/..") || u.Path != peer.Path+sha {
		t.Errorf("the path is %s", u.Path)
	}
	watched.endAll()
}

func TestNoHostGetsAModelFromThoseThatGetItFromHere(t *testing.T) {
	hosts := newHosts("a", "b")
	peering(hosts, "a", "b")
	watched := watchFetches(hosts)
	b := newBench(t, newShelf(), hosts)
	b.take("tiny", "GGUF tiny")
	b.want("tiny", "a")
	b.await("a fetches", func() bool { return watched.under() == 1 })
	b.want("tiny", "b")
	b.await("b fetches", func() bool { return watched.under() == 2 })
	if got := watched.parents(t, "b"); len(got) != 1 || got[0] != "a" {
		t.Fatalf("b gets it from %v", got)
	}
	watched.end("a", fault.New(fault.Unavailable, "the line broke"))
	b.await("a has failed", func() bool {
		b.mu.RLock()
		defer b.mu.RUnlock()
		return b.runs[place{fleet.CanonicalModel("tiny"), "id-a", "default"}].failures == 1
	})
	b.clock.pass(time.Minute)
	b.retryAll("tiny")
	b.await("a fetches again", func() bool { return watched.under() == 2 })
	if got := watched.parents(t, "a"); len(got) != 0 {
		t.Errorf("a gets it from %v, which gets it from a", got)
	}
	watched.endAll()
	b.awaitOn("tiny", "a", "b")
}

func TestWhatAHostMakesComesFromNoOther(t *testing.T) {
	hosts := newHosts("a", "b")
	peering(hosts, "a", "b")
	watched := watchFetches(hosts)
	b := newBench(t, newShelf(), hosts)
	p := b.parcel("small", "m.gguf", "GGUF large")
	p.Quantize = "q4_K_M"
	if err := b.Take(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	b.want("small", "a", "b")
	b.await("both fetch", func() bool { return watched.under() == 2 })
	if got := append(watched.parents(t, "a"), watched.parents(t, "b")...); len(got) > 0 {
		t.Errorf("it comes from %v", got)
	}
	watched.endAll()
	b.awaitOn("small", "a", "b")
}
