package models

import (
	"cmp"
	"crypto/ed25519"
	"net"
	"slices"
	"sync"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// maxReaders is how many hosts get models from another one at a time. With two, each
// sends twice what it receives, and of n hosts that get a model together the last is
// about log2(n) hosts away from where it comes from.
const maxReaders = 2

// lineage is from which host each one gets a model that gets one now. Hosts that get the
// same one together make a tree, whose root gets it from where it is stored: what comes
// to a host goes on from there while it is still coming. The zero value is of none.
type lineage struct {
	mu   sync.Mutex
	from map[place]string // the id of the host; "" is none's
}

// fromPeers has a job's files, and what is put together of them, come from other hosts
// where some have them, or are getting them, and else or when these fail, from where they
// are stored. What it returns is called when the job has ended.
func (s *Service) fromPeers(t *task, order *work.Job) (done func()) {
	var whole []string
	for name := range order.Sources {
		if order.Whole(name) {
			whole = append(whole, name)
		}
	}
	assembled := order.Assembled()
	if len(whole)+len(assembled) == 0 || len(t.host.PublicKey) != ed25519.PublicKeySize {
		return func() {}
	}
	peers, done := s.peersFor(t)
	for _, name := range whole {
		source := order.Sources[name]
		for i := range peers {
			source.Peers = append(source.Peers, s.PeerTickets.peer(&peers[i], &t.host, source.SHA256))
		}
		order.Sources[name] = source
	}
	for _, sum := range assembled {
		for i := range peers {
			if order.Peers == nil {
				order.Peers = map[string][]work.Peer{}
			}
			order.Peers[sum] = append(order.Peers[sum], s.PeerTickets.peer(&peers[i], &t.host, sum))
		}
	}
	if len(peers) > 0 {
		s.Log.Debug("a host gets a model from another one", "host", t.host.Name, "model", t.model.Name, "from", peers[0].Name)
	}
	return done
}

// peersFor chooses the host from which a task's model comes, and the one from which that
// one has it, which is next when that one fails; none where it comes from where it is
// stored.
func (s *Service) peersFor(t *task) (peers []fleet.HostView, done func()) {
	all := s.View.Hosts()
	have := s.having(t, all)
	l := &s.lineage
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.from == nil {
		l.from = map[place]string{}
	}
	parent := l.choose(t, all, have)
	l.from[t.at] = ""
	if parent != nil {
		l.from[t.at] = parent.ID
		peers = append(peers, *parent)
		if next := l.parentOf(t.at.model, parent.ID); next != "" && !have[parent.ID] {
			if i := slices.IndexFunc(all, func(h fleet.HostView) bool { return h.ID == next && servesPeers(&h) }); i >= 0 {
				peers = append(peers, all[i])
			}
		}
	}
	return peers, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.from, t.at)
	}
}

// having returns the ids of the hosts that have a task's model, as far as is known.
func (s *Service) having(t *task, all []fleet.HostView) map[string]bool {
	have := map[string]bool{}
	digest := t.model.Digest
	if digest == "" {
		return have
	}
	for i := range all {
		for j := range all[i].Instances {
			if m, ok := modelOn(&all[i].Instances[j], t.at.model); ok && m.Digest == digest {
				have[all[i].ID] = true
			}
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, p := range s.placedOf(t.at.model) { // which is known before the host tells of it
		if p.Wanted && p.Digest == digest {
			have[p.HostID] = true
		}
	}
	return have
}

// attached is the mode of an Ollama that isn't the agent's own, and whose folder of models
// the agent doesn't know.
const attached = "attached"

// servesPeers reports whether other hosts may get models from one now.
func servesPeers(h *fleet.HostView) bool {
	if !h.State.Reachable() || h.Draining || h.Pending || len(h.PublicKey) != ed25519.PublicKeySize {
		return false
	}
	if !slices.ContainsFunc(h.Instances, func(in fleet.Instance) bool { return in.Mode != attached }) {
		return false
	}
	host, port, err := net.SplitHostPort(h.Facts.PeerAddress)
	return err == nil && host != "" && port != ""
}

// choose returns the host from which a task's model comes; nil for none. One that has it
// is better than one that is getting it; of the latter, the one to which it comes over the
// fewest others. l.mu is held.
func (l *lineage) choose(t *task, all []fleet.HostView, have map[string]bool) *fleet.HostView {
	readers := map[string]int{}
	for _, parent := range l.from {
		readers[parent]++
	}
	type candidate struct {
		host  *fleet.HostView
		depth int // 0 has it
	}
	var list []candidate
	for i := range all {
		h := &all[i]
		if h.ID == t.at.hostID || readers[h.ID] >= maxReaders || !servesPeers(h) {
			continue
		}
		c := candidate{host: h}
		if !have[h.ID] {
			var ok bool
			if c.depth, ok = l.depth(t.at, h.ID, have); !ok {
				continue
			}
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil
	}
	return slices.MinFunc(list, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.depth, b.depth), cmp.Compare(readers[a.host.ID], readers[b.host.ID]), cmp.Compare(a.host.Name, b.host.Name))
	}).host
}

// depth returns over how many hosts a model comes to one that is getting it, itself
// included; false where it isn't, or gets it from the host that the place is on. l.mu is
// held.
func (l *lineage) depth(to place, hostID string, have map[string]bool) (depth int, ok bool) {
	for ; hostID != "" && !have[hostID]; depth++ {
		if hostID == to.hostID || depth > len(l.from) || !l.gets(to.model, hostID) {
			return 0, false
		}
		hostID = l.parentOf(to.model, hostID)
	}
	return depth, true
}

// gets reports whether a host is getting a model. l.mu is held.
func (l *lineage) gets(model, hostID string) bool {
	for at := range l.from {
		if at.model == model && at.hostID == hostID {
			return true
		}
	}
	return false
}

// parentOf returns from which host another one gets a model; "" for none. l.mu is held.
func (l *lineage) parentOf(model, hostID string) string {
	for at, parent := range l.from {
		if at.model == model && at.hostID == hostID {
			return parent
		}
	}
	return ""
}
