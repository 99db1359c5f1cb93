package router

import (
	"container/heap"
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// world is a fleet of stand-ins in virtual time.
type world struct {
	now    time.Duration
	events events
	seq    int
	hosts  []*standIn
	policy policy
	waits  []time.Duration // for the first token
}

// policy decides where a request goes, and hears how it went there. One that has
// a request wait returns nil, and sends it later.
type policy interface {
	pick(w *world, j *job) *standIn
	answered(w *world, j *job)
	ended(w *world, j *job)
	report(w *world)
}

type event struct {
	at  time.Duration
	seq int
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, k int) bool {
	return e[i].at < e[k].at || e[i].at == e[k].at && e[i].seq < e[k].seq
}
func (e events) Swap(i, k int) { e[i], e[k] = e[k], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.events, event{w.now + d, w.seq, do})
}

func (w *world) answer(j *job) {
	w.waits = append(w.waits, j.answered-j.asked)
	w.policy.answered(w, j)
}

func (w *world) ask(t *turnOf) {
	j := &job{turnOf: t, asked: w.now}
	j.done = func() {
		w.policy.ended(w, j)
		if t.next != nil {
			w.after(t.think, func() { w.ask(t.next) })
		}
	}
	if host := w.policy.pick(w, j); host != nil {
		w.send(j, host)
	}
}

func (w *world) send(j *job, host *standIn) {
	j.host = host
	j.host.queue = append(j.host.queue, j)
	j.host.advance(w)
}

// outcome is what came of a trace.
type outcome struct {
	requests, loads int
	mean            time.Duration // to the first token
}

// simulate runs a trace over four hosts.
func simulate(p policy, t traffic) outcome {
	w := &world{policy: p}
	for i := range 4 {
		w.hosts = append(w.hosts, &standIn{name: fmt.Sprintf("h%d", i)})
	}
	first, begin := t.conversations()
	for i := range first {
		w.after(begin[i], func() { w.ask(first[i]) })
	}
	const reportEvery = 2 * time.Second
	var report func()
	report = func() {
		w.policy.report(w)
		if len(w.events) > 0 {
			w.after(reportEvery, report)
		}
	}
	report()
	for len(w.events) > 0 {
		next := heap.Pop(&w.events).(event)
		w.now = next.at
		next.do()
	}
	o := outcome{requests: len(w.waits)}
	for _, wait := range w.waits {
		o.mean += wait / time.Duration(len(w.waits))
	}
	for _, h := range w.hosts {
		o.loads += h.loads
	}
	return o
}

// deaf is a policy that hears nothing.
type deaf struct{}

func (deaf) answered(*world, *job) {}
func (deaf) ended(*world, *job)    {}
func (deaf) report(*world)         {}

// roundRobin takes one host after the other.
type roundRobin struct {
	deaf
	turn int
}

func (p *roundRobin) pick(w *world, _ *job) *standIn {
	p.turn++
	return w.hosts[p.turn%len(w.hosts)]
}

// hashing is consistent hashing of the conversation, or of the model with its
// options alone, with bounded loads: a host that has a quarter more than its
// share is passed by.
type hashing struct {
	deaf
	byModel bool
	ring    []point
	loads   map[*standIn]int
	total   int
}

type point struct {
	sum  uint64
	host *standIn
}

const (
	pointsPerHost = 256
	loadFactor    = 1.25
)

func sumOf(text string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(text))
	sum := h.Sum64()
	sum ^= sum >> 29
	return sum * 0x9e3779b97f4a7c15
}

func (p *hashing) pick(w *world, j *job) *standIn {
	if p.ring == nil {
		p.loads = map[*standIn]int{}
		for _, h := range w.hosts {
			for i := range pointsPerHost {
				p.ring = append(p.ring, point{sumOf(fmt.Sprint(h.name, "/", i)), h})
			}
		}
		slices.SortFunc(p.ring, func(a, b point) int {
			if a.sum < b.sum {
				return -1
			}
			return 1
		})
	}
	key := fmt.Sprint(j.model, j.context)
	if !p.byModel {
		key += fmt.Sprint("/", j.conversation)
	}
	sum := sumOf(key)
	at, _ := slices.BinarySearchFunc(p.ring, sum, func(x point, sum uint64) int {
		if x.sum < sum {
			return -1
		}
		return 1
	})
	p.total++
	most := loadFactor * float64(p.total) / float64(len(w.hosts))
	for i := range p.ring {
		host := p.ring[(at+i)%len(p.ring)].host
		if float64(p.loads[host]) <= most {
			p.loads[host]++
			return host
		}
	}
	panic("every host has more than its share")
}

func (p *hashing) ended(_ *world, j *job) {
	p.total--
	p.loads[j.host]--
}

// priced is the router itself, with its line.
type priced struct {
	lab     *lab
	at      time.Time // when virtual time began
	waiting []*job
}

func newPriced(t testing.TB, models []string) *priced {
	p := &priced{lab: newLab(&hosts{}), at: noon()}
	for i := range 4 {
		id := fmt.Sprintf("h%d", i)
		p.lab.registry.Put(fleet.Host{ID: id, Name: id})
		if !p.lab.registry.Connect(id, 1, noon(), 0) {
			t.Fatal("a host cannot connect")
		}
		p.tell(&standIn{name: id}, models)
	}
	return p
}

func (p *priced) tell(s *standIn, models []string) {
	var held []fleet.HostModel
	for _, m := range models {
		held = append(held, fleet.HostModel{Name: m + ":latest", Digest: m, SizeBytes: 4e9})
	}
	inFlight := len(s.queue)
	for _, r := range s.runners {
		inFlight += r.busy
	}
	p.lab.registry.Report(s.name, 1, p.lab.now, []fleet.Instance{{
		Name: "default", State: fleet.InstanceReady, Parallel: standInSlots, Models: held, Loaded: s.inMemory(), InFlight: inFlight,
	}})
}

func (p *priced) report(w *world) {
	p.lab.now = p.at.Add(w.now)
	for _, h := range w.hosts {
		p.tell(h, []string{"large", "middle", "small"})
	}
}

func (p *priced) pick(w *world, j *job) *standIn {
	p.lab.now = p.at.Add(w.now)
	j.ask = readAsk(p.lab.seed, j.model, "/api/chat", j.body())
	c, turn, err := p.lab.arrive(context.Background(), &j.ask, &fleet.Origin{KeyID: "k"})
	if err != nil {
		panic(err)
	}
	j.turn, j.choice = turn, c
	if c == nil {
		p.waiting = append(p.waiting, j)
		return nil
	}
	return w.host(c)
}

// host returns the host that was chosen.
func (w *world) host(c *choice) *standIn {
	for _, h := range w.hosts {
		if h.name == c.to.Report.Target.HostID {
			return h
		}
	}
	panic("there is no host " + c.to.Report.Target.HostID)
}

// letIn sends those whose turn has come.
func (p *priced) letIn(w *world) {
	still := p.waiting[:0]
	for _, j := range p.waiting {
		select {
		case <-j.turn.Ready():
		default:
			still = append(still, j)
			continue
		}
		c, err := p.lab.choose(&j.ask, nil)
		if err != nil {
			panic(err)
		}
		j.choice = c
		w.send(j, w.host(c))
	}
	p.waiting = still
}

func (p *priced) answered(w *world, j *job) {
	p.lab.now = p.at.Add(w.now)
	p.lab.begin(j.choice)
}

func (p *priced) ended(w *world, j *job) {
	p.lab.now = p.at.Add(w.now)
	told := fleet.Counts{
		PromptTokens: new(int64(len(j.prompt) / standInToken)), Prompt: j.promptTime,
		Tokens: new(int64(j.answer)), Generate: w.now - j.answered, Load: j.loadTime,
	}
	p.lab.release(&j.ask, j.choice, told)
	j.turn.Leave(spent(told))
	p.letIn(w)
}

// TestTheFirstTokenComesSooner compares policies on conversations of several
// turns over four hosts with caches.
func TestTheFirstTokenComesSooner(t *testing.T) {
	busy, calm, one := multiTurn(), multiTurn(), multiTurn()
	calm.Every *= 2
	one.Models = []string{"large"}
	for name, trace := range map[string]traffic{"busy": busy, "calm": calm, "one model": one} {
		turns, bounded := simulate(&roundRobin{}, trace), simulate(&hashing{}, trace)
		if byModel := simulate(&hashing{byModel: true}, trace); byModel.mean < bounded.mean {
			bounded = byModel
		}
		router := newPriced(t, trace.Models)
		own := simulate(router, trace)
		t.Logf("%s: %d requests, mean time to the first token (loads): in turns %v (%d), hashed %v (%d), priced %v (%d)",
			name, own.requests, turns.mean, turns.loads, bounded.mean, bounded.loads, own.mean, own.loads)
		if own.requests != turns.requests || own.requests != bounded.requests {
			t.Fatalf("requests were lost: %d, %d, %d", own.requests, turns.requests, bounded.requests)
		}
		if own.mean > turns.mean/2 && len(trace.Models) > 1 || own.mean > bounded.mean {
			t.Errorf("priced takes %v, want at most half of %v and no more than %v", own.mean, turns.mean, bounded.mean)
		}
		router.lab.wantIdle(t)
	}
}

// TestOtherOptionsHaveHostsOfTheirOwn counts how often models are loaded where
// half of all conversations want another context. Planned is one load for each
// host, after which each keeps the context that it has.
func TestOtherOptionsHaveHostsOfTheirOwn(t *testing.T) {
	trace := mixedOptions()
	turns := simulate(&roundRobin{}, trace)
	own := simulate(newPriced(t, trace.Models), trace)
	t.Logf("%d requests: %d loads and %v in turns, %d loads and %v priced", own.requests, turns.loads, turns.mean, own.loads, own.mean)
	const planned = 4
	if own.loads > planned {
		t.Errorf("%d loads, planned are %d", own.loads, planned)
	}
}
