package fleet

import (
	"slices"
	"time"
	"unique"
)

// Holder is an instance that holds a model. Requests look at all holders of
// theirs: what is looked at first fills one line of a processor's cache.
type Holder struct {
	Digest        string
	Number        uint32 // of the instance; no other has it while the program runs
	Loaded        bool   // in the instance's memory
	Serves        bool   // requests may be sent there now
	Routes        Routes // those of Ollama that its version has
	Parallel      int    // requests that one model serves there at a time; 0 is unknown
	InFlight      int    // requests under way there, as its agent last told
	Resident      int    // models in the instance's memory
	ContextLength int    // of the loaded model in tokens; 0 is unknown
	SizeBytes     int64  // of the model in the instance's store

	ToldAt    time.Time // when its agent told of InFlight
	Run       Run
	GPUMemory *GPUMemory

	Target Target
	Name   string // the model's name there
}

// Run is one run of an instance under one session of its host's agent. What
// failed in one says nothing of the next.
type Run struct {
	Epoch     uint64    // of the session
	StartedAt time.Time // of the Ollama where its agent started it
}

// holding is what one host's instances hold of one model.
type holding struct {
	host    *entry
	told    []Holder // by the instances alone, whatever the host is like
	holders []Holder // as they are handed out; replaced and never changed
}

// resolve makes the holders of what was told and what is known of the host.
func (h *holding) resolve() {
	h.holders = slices.Clone(h.told)
	for i := range h.holders {
		h.holders[i].Target.Host = h.host.name
		h.holders[i].Serves = h.holders[i].Serves && h.host.able
		h.holders[i].GPUMemory = &h.host.gpus
	}
}

// Holders appends to dst the instances that hold the model which ref means, a
// name, a name with a digest or an id, whether they serve or not. What a host
// held when it was last heard of counts until it is heard of again. Where hosts
// disagree about the digest behind a plain name, only those with the digest that
// the name stands for are among them.
//
// What it costs depends on how many hosts hold the model, and not on how many
// hosts or models there are. Where dst has room it allocates nothing, unless
// hosts disagree. What it returns must not be changed.
func (r *Registry) Holders(dst []*Holder, ref string) []*Holder {
	name, digest := SplitDigest(ref)
	r.mu.RLock()
	defer r.mu.RUnlock()
	if meant, ok := r.named[name]; ok {
		name = meant
	} else {
		name = CanonicalModel(name)
	}
	entries, first := r.holding[name], len(dst)
	for _, e := range entries {
		for i := range e.holders {
			dst = append(dst, &e.holders[i])
		}
	}
	if digest == "" && disagree(dst[first:]) {
		digest = electDigest(entries)
	}
	if digest == "" {
		return dst
	}
	kept := dst[:first]
	for _, h := range dst[first:] {
		if h.Digest == digest {
			kept = append(kept, h)
		}
	}
	return kept
}

// settle notes what its holders have to know of the host, whenever that may have
// changed: they are asked for far more often.
func (e *entry) settle() {
	able := e.current() && !e.view.Draining && !e.leaving
	if able == e.able && e.view.Name == e.name {
		return
	}
	e.able, e.name = able, e.view.Name
	for _, h := range e.held {
		h.resolve()
	}
}

// current reports whether what is known of the host's instances is of now.
func (e *entry) current() bool { return e.reported && e.view.State.Reachable() }

func disagree(holders []*Holder) bool {
	for i := 1; i < len(holders); i++ {
		if holders[i].Digest != holders[0].Digest {
			return true
		}
	}
	return false
}

// electDigest returns the digest that a name stands for, or "" when no host that
// could tell is here.
func electDigest(entries []*holding) string {
	votes := ballot{}
	for _, e := range entries {
		if !e.host.current() {
			continue
		}
		for i := range e.holders {
			votes.add(e.holders[i].Digest, e.host.view.ID)
		}
	}
	if len(votes) == 0 {
		return ""
	}
	return votes.ranked()[0]
}

// holdersOf returns what a host's instances hold, by the models' names. The
// host's name is left out: it may change.
func holdersOf(e *entry, instances []Instance, at time.Time) map[string][]Holder {
	held := map[string][]Holder{}
	for i := range instances {
		instance := &instances[i]
		routes := RoutesOf(instance.Version)
		for m := range instance.Models {
			have := &instance.Models[m]
			name := CanonicalModel(have.Name)
			loaded, ok := instance.loaded(name, have.Digest)
			held[name] = append(held[name], Holder{
				Target: Target{HostID: e.view.ID, Instance: instance.Name}, Number: e.numbers[instance.Name], Run: Run{e.epoch, instance.StartedAt},
				// Hosts tell the same names and digests: one copy of each is quicker to compare.
				Name: unique.Make(have.Name).Value(), Digest: unique.Make(have.Digest).Value(), SizeBytes: have.SizeBytes,
				Loaded: ok, Routes: routes, ContextLength: loaded.ContextLength, Resident: len(instance.Loaded),
				Serves: instance.Serves(), Parallel: instance.Parallel, InFlight: instance.InFlight, ToldAt: at,
			})
		}
	}
	return held
}

// number gives each instance of a host that has none yet its number. The caller
// holds mu.
func (r *Registry) number(e *entry, instances []Instance) {
	for i := range instances {
		if _, has := e.numbers[instances[i].Name]; has {
			continue
		}
		if e.numbers == nil {
			e.numbers = map[string]uint32{}
		}
		r.numbers++
		e.numbers[instances[i].Name] = r.numbers
	}
}

// hold replaces what a host holds, and where that is looked up. The caller holds mu.
func (r *Registry) hold(e *entry, held map[string][]Holder) {
	for name, old := range e.held {
		if _, still := held[name]; still {
			continue
		}
		delete(e.held, name)
		r.holding[name] = without(r.holding[name], old)
		if len(r.holding[name]) == 0 {
			delete(r.holding, name)
			delete(r.named, ModelID(name))
		}
	}
	if e.held == nil {
		e.held = map[string]*holding{}
	}
	for name, holders := range held {
		if old := e.held[name]; old != nil {
			old.told = holders
			old.resolve()
			continue
		}
		if r.holding[name] == nil {
			r.named[ModelID(name)] = name
		}
		e.held[name] = &holding{host: e, told: holders}
		e.held[name].resolve()
		r.holding[name] = append(r.holding[name], e.held[name])
	}
}

func without(entries []*holding, gone *holding) []*holding {
	for i, e := range entries {
		if e == gone {
			last := len(entries) - 1
			entries[i], entries[last] = entries[last], nil
			return entries[:last]
		}
	}
	return entries
}
