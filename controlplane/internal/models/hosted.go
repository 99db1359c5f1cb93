package models

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// hosted is what is placed on one host, and what came of looking at the host, which is
// done anew where something of that has changed: a fleet in which a thousand hosts have a
// thousand models each has a million places, and at most of them nothing changes for days.
// Its fields belong to s.mu.
type hosted struct {
	places    []place  // in no order
	instances []string // of the places, each once
	due       []claim  // those at which something is to be done, in their order

	sight sight
	print uint64 // of what matters of it
	turn  uint64 // how often that was another one, from 1 on

	// The turns at which it was looked what is due, what is in memory, and whether there is
	// more than may be; 0 is that this is to be done anew.
	compared, measured, weighed uint64

	outlook

	mostBytes int64  // that it might have when it was weighed
	spread    string // the instance that was given what is for all hosts; empty is none
}

// claim is a place at which something is to be done, with what says when.
type claim struct {
	place

	wanted bool
	since  time.Time
}

// inOrder compares claims: first come those of what is to be let go of, which makes room for
// what comes.
func inOrder(a, b claim) int {
	return cmp.Or(compareBool(a.wanted, b.wanted), a.since.Compare(b.since), cmp.Compare(a.model, b.model), cmp.Compare(a.hostID, b.hostID))
}

// sight is how a host was seen. That of one of which nothing new was told is the same.
type sight struct {
	state     fleet.HostState
	connected time.Time
	instances *fleet.Instance // the first of them: a list of instances is replaced as a whole, and never changed
	count     int
}

// look returns the turn of the host as it is now.
func (h *hosted) look(seed maphash.Seed, view *fleet.HostView) uint64 {
	var now sight
	if view != nil {
		now = sight{state: view.State, connected: view.ConnectedAt, count: len(view.Instances)}
		if now.count > 0 {
			now.instances = &view.Instances[0]
		}
	}
	if h.turn > 0 && now == h.sight {
		return h.turn
	}
	h.sight = now
	if p := printOf(seed, view); h.turn == 0 || p != h.print {
		h.print, h.turn = p, h.turn+1
	}
	return h.turn
}

// printOf returns a number that is another one for a host of which something differs that
// matters to its models. Hosts tell all of themselves when anything has changed, such as
// how many requests they answer.
func printOf(seed maphash.Seed, view *fleet.HostView) uint64 {
	p := printing{}
	p.sum.SetSeed(seed)
	if view == nil {
		return p.sum.Sum64()
	}
	p.add(string(view.State), "", len(view.Instances), int(view.ConnectedAt.UnixNano()))
	p.add(view.Facts.AgentVersion, view.Facts.BootID, 0, 0)
	for i := range view.Instances {
		in := &view.Instances[i]
		p.add(in.Name, string(in.State), len(in.Models), len(in.Loaded))
		known := 0
		if in.ModelsKnown {
			known = 1
		}
		p.add(in.Version, "", in.Parallel, known)
		for m := range in.Models {
			p.add(in.Models[m].Name, in.Models[m].Digest, int(in.Models[m].SizeBytes), 0)
		}
		for l := range in.Loaded {
			p.add(in.Loaded[l].Name, in.Loaded[l].Digest, int(in.Loaded[l].SizeBytes), in.Loaded[l].ContextLength)
		}
	}
	return p.sum.Sum64()
}

// printing adds up what a print is of.
type printing struct {
	sum  maphash.Hash
	head [4 * 8]byte
}

// add adds texts, whose lengths keep one from being taken for a part of the other, and
// numbers.
func (p *printing) add(a, b string, n, m int) {
	for i, number := range [...]int{len(a), len(b), n, m} {
		binary.LittleEndian.PutUint64(p.head[i*8:], uint64(number))
	}
	p.sum.Write(p.head[:])
	p.sum.WriteString(a)
	p.sum.WriteString(b)
}

// hostedBy returns what is placed on a host. s.mu is held.
func (s *Service) hostedBy(hostID string) *hosted {
	h := s.hosted[hostID]
	if h == nil {
		h = &hosted{}
		s.hosted[hostID] = h
	}
	return h
}

// placesOn returns the places of a host. s.mu is held.
func (s *Service) placesOn(hostID string) []place {
	if h := s.hosted[hostID]; h != nil {
		return h.places
	}
	return nil
}

// note takes a placement over. s.mu is held.
func (s *Service) note(p fleet.Placement) {
	at := placeOf(&p)
	h := s.hostedBy(at.hostID)
	if _, there := s.placed[at]; !there {
		h.places = append(h.places, at)
		if !slices.Contains(h.instances, at.instance) {
			h.instances = append(h.instances, at.instance)
		}
	}
	s.placed[at] = p
	h.touch()
}

// strike forgets a placement. s.mu is held.
func (s *Service) strike(at place) {
	delete(s.placed, at)
	delete(s.runs, at)
	h := s.hostedBy(at.hostID)
	h.places = slices.DeleteFunc(h.places, func(p place) bool { return p == at })
	h.spread = "" // it may be for all hosts still
	h.touch()
}

// touch has the host be looked at anew.
func (h *hosted) touch() { h.compared, h.weighed = 0, 0 }

// touchHost has a host be looked at anew on which something has come of what was being done,
// or is to be done again. s.mu is held.
func (s *Service) touchHost(id string) {
	if h := s.hosted[id]; h != nil {
		h.touch()
	}
}

// touchAll has all hosts be looked at anew to which it matters that a model has changed,
// and be given it where it is for all of them only now. s.mu is held.
func (s *Service) touchAll(model string, forAll bool) {
	for id, h := range s.hosted {
		h.measured = 0
		if forAll {
			h.spread = ""
		}
		for _, instance := range h.instances {
			if _, placed := s.placed[place{model, id, instance}]; placed {
				h.touch()
			}
		}
	}
}

// placedOf returns the placements of a model. s.mu is held.
func (s *Service) placedOf(name string) []fleet.Placement {
	model := fleet.CanonicalModel(name)
	var list []fleet.Placement
	for id, h := range s.hosted {
		for _, instance := range h.instances {
			if p, placed := s.placed[place{model, id, instance}]; placed {
				list = append(list, p)
			}
		}
	}
	return list
}

// compare finds out at which places of a host something is to be done. s.mu is held.
func (s *Service) compare(h *hosted, view *fleet.HostView) {
	turn := h.look(s.seed, view)
	if h.compared == turn {
		return
	}
	h.compared, h.due, h.outlook = turn, h.due[:0], outlook{}
	has := stock{}
	for _, at := range h.places {
		if p := s.placed[at]; s.taskAt(at, p, view, has) != nil {
			h.due = append(h.due, claim{at, p.Wanted, p.Since})
		}
	}
	slices.SortFunc(h.due, inOrder)
}

// stock is what instances have, by their models' canonical names.
type stock map[*fleet.Instance]map[string]*fleet.HostModel

// find returns what an instance has under a canonical name, nil where it has nothing.
func (s stock) find(in *fleet.Instance, model string) *fleet.HostModel {
	has := s[in]
	if has == nil {
		has = make(map[string]*fleet.HostModel, len(in.Models))
		for i := range in.Models {
			has[fleet.CanonicalModel(in.Models[i].Name)] = &in.Models[i]
		}
		s[in] = has
	}
	return has[model]
}
