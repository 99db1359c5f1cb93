package router

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// What is kept of decisions. The memory of a record is used again for the one
// that takes its place.
const (
	keptDecisions = 10_000
	keptOffers    = 16
	keptRefusals  = 4
)

// decisions are the latest decisions, in a ring.
type decisions struct {
	epoch string // part of every id, so that those of an earlier run name nothing
	ring  []record
}

// record is one decision as it is kept: without a word that can be made later.
type record struct {
	turn       uint64 // 0 is none
	at         time.Time
	ask        asked
	digest     string
	considered int
	taken      offer
	to         fleet.Target
	offers     []offered // the best, in no order
	worst      int       // which of them is, once there are enough
	refusals   []refusal
}

// asked is what is kept of a request.
type asked struct {
	model, path string
	promptBytes int
	maxTokens   int
	streams     bool
	options     runnerOptions
	queued      time.Duration
}

type offered struct {
	offer
	target fleet.Target
}

type refusal struct {
	holder int
	why    string // one of those below
	target fleet.Target
}

// Why instances are refused.
const (
	refusedAway  = "cannot serve now: its host is away or draining, or its Ollama is not ready"
	refusedTried = "was tried before and failed"
	refusedOld   = "has an Ollama that is too old for this route"
	refusedOpen  = "failed too often lately, and is not tried again yet"
)

// newDecisions returns a ring for a program that began at a time.
func newDecisions(began time.Time) decisions {
	return decisions{epoch: "r" + strconv.FormatInt(began.UnixMilli(), 36)}
}

// id returns the id of a decision by its turn.
func (d *decisions) id(turn uint64) string { return d.epoch + "-" + strconv.FormatUint(turn, 36) }

// begin returns the record of a new decision among so many instances.
func (d *decisions) begin(turn uint64, holders int) *record {
	place := uint32(turn % keptDecisions)
	d.ring = at(d.ring, place)
	r := &d.ring[place]
	if want := min(holders, keptOffers); cap(r.offers) < want {
		r.offers = make([]offered, 0, want)
	}
	r.turn, r.considered, r.offers, r.refusals = turn, holders, r.offers[:0], r.refusals[:0]
	r.worst = 0
	return r
}

// consider keeps an offer if it is among the best.
func (r *record) consider(o *offer) {
	if len(r.offers) < keptOffers {
		r.offers = append(r.offers, offered{offer: *o})
		return
	}
	if !o.before(&r.offers[r.worst].offer) {
		return
	}
	r.offers[r.worst].offer = *o
	for i := range r.offers {
		if r.offers[r.worst].before(&r.offers[i].offer) {
			r.worst = i
		}
	}
}

func (r *record) refuse(holder int, why string) {
	if len(r.refusals) < keptRefusals {
		r.refusals = append(r.refusals, refusal{holder: holder, why: why})
	}
}

// keep notes whose offers they are.
func (r *record) keep(holders []fleet.Holder) {
	for i := range r.offers {
		r.offers[i].target = holders[r.offers[i].holder].Report.Target
	}
	for i := range r.refusals {
		r.refusals[i].target = holders[r.refusals[i].holder].Report.Target
	}
}

// settle notes what was asked, and what was chosen.
func (r *record) settle(a *ask, c *choice, now time.Time) {
	r.at, r.digest, r.taken, r.to = now, c.to.Digest, c.offer, c.to.Report.Target
	r.ask = asked{a.model, a.path, a.promptBytes, a.maxTokens, a.streams, a.options, a.queued}
}

func (r *record) drop() { r.turn = 0 }

// Decision returns a decision by its id. One that is too long ago, or was never
// made, is fault.NotFound.
func (r *Router) Decision(id string) (fleet.Decision, error) {
	epoch, turn, _ := strings.Cut(id, "-")
	n, err := strconv.ParseUint(turn, 36, 64)
	r.mu.Lock()
	defer r.mu.Unlock()
	place := int(n % keptDecisions)
	if err != nil || n == 0 || epoch != r.decisions.epoch || place >= len(r.decisions.ring) || r.decisions.ring[place].turn != n {
		return fleet.Decision{}, fault.New(fault.NotFound,
			"there is no routing decision %q; the latest %d are kept, until the control plane restarts", id, keptDecisions)
	}
	return r.decisions.ring[place].decision(id), nil
}

// decision puts a record into words.
func (r *record) decision(id string) fleet.Decision {
	d := fleet.Decision{
		ID: id, At: r.at.UTC(), Model: r.ask.model, Digest: r.digest, Path: r.ask.path,
		PromptBytes: r.ask.promptBytes, Streams: r.ask.streams, Options: r.ask.options.list(),
		QueuedSeconds: r.ask.queued.Seconds(),
		HostID:        r.to.HostID, Host: r.to.Host, Instance: r.to.Instance,
		Candidates: []fleet.Candidate{}, Considered: r.considered,
	}
	if r.ask.maxTokens >= 0 {
		limit := r.ask.maxTokens
		d.MaxTokens = &limit
	}
	offers := slices.Clone(r.offers)
	slices.SortStableFunc(offers, func(a, b offered) int {
		switch {
		case a.target == r.to, a.before(&b.offer) && b.target != r.to:
			return -1
		case b.target == r.to, b.before(&a.offer):
			return 1
		}
		return cmp.Compare(a.target.Host, b.target.Host)
	})
	for i := range offers {
		d.Candidates = append(d.Candidates, offers[i].candidate(r))
	}
	for _, f := range r.refusals {
		d.Candidates = append(d.Candidates, fleet.Candidate{HostID: f.target.HostID, Host: f.target.Host, Instance: f.target.Instance, Why: f.why})
	}
	return d
}

func (o *offered) candidate(r *record) fleet.Candidate {
	return fleet.Candidate{
		HostID: o.target.HostID, Host: o.target.Host, Instance: o.target.Instance, Chosen: o.target == r.to,
		Why: o.why(r), InFlight: o.running, Slots: o.slots, Loaded: o.loaded, MatchedBytes: o.matched,
		Price: &fleet.Price{
			WaitSeconds: o.wait, LoadSeconds: o.load, PromptSeconds: o.prompt, GenerationSeconds: o.generate, TotalSeconds: o.total(), CostSeconds: o.cost,
		},
	}
}

// why says why an offer was taken, or what it lost by most.
func (o *offered) why(r *record) string {
	best := &r.taken
	switch {
	case o.target == r.to && len(r.offers) == 1:
		return "the only one that can serve"
	case o.target == r.to:
		return "expected to be done first"
	case o.harmful && !best.harmful:
		return "would have a runner loaded anew that is at work for others"
	case o.cost == best.cost && o.running > best.running:
		return "equal, but has more requests under way"
	case o.cost == best.cost && best.loaded && !o.loaded:
		return "equal, but does not have the model in memory"
	case o.cost == best.cost:
		return "equal, and it was its turn less"
	}
	reason, most := "would wait longer for a free place", o.wait-best.wait
	for _, part := range []struct {
		reason string
		more   float64
	}{
		{o.loadReason(), o.load - best.load},
		{o.promptReason(best), o.prompt - best.prompt},
		{"generates more slowly", o.generate - best.generate},
	} {
		if part.more > most {
			reason, most = part.reason, part.more
		}
	}
	return reason
}

func (o *offer) loadReason() string {
	switch {
	case o.reloads:
		return "would have to load the model anew with other options"
	case o.loaded:
		return "is loading the model anew"
	}
	return "would have to load the model"
}

func (o *offer) promptReason(best *offer) string {
	if best.matched > o.matched {
		return "does not have the beginning of the prompt in its cache"
	}
	return "reads prompts more slowly"
}
