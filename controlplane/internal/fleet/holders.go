package fleet

import (
	"time"
	"unique"
)

// Holder is an instance that holds a model. Requests look at all holders of
// theirs, which lie beside each other in memory: it is as small as it can be.
type Holder struct {
	Digest        string
	Name          string // the model's name there
	SizeBytes     int64  // of the model in the instance's store
	Report        *Report
	Number        uint32 // of the instance; no other has it while the program runs
	Parallel      int32  // requests that one model serves there at a time; 0 is unknown
	InFlight      int32  // requests under way there, as its agent last told
	Resident      int32  // models in the instance's memory
	ContextLength int32  // of the loaded model in tokens; 0 is unknown
	Loaded        bool   // in the instance's memory
	Serves        bool   // requests may be sent there now
	Routes        Routes // those of Ollama that its version has
}

// Report is what an instance's agent last told of it, for all models that it
// holds. It is replaced and never changed: who has seen one knows all that is in it.
type Report struct {
	Target    Target
	ToldAt    time.Time
	Run       Run
	GPUMemory *GPUMemory // of the host
}

// Run is one run of an instance under one session of its host's agent. What
// failed in one says nothing of the next.
type Run struct {
	Epoch     uint64    // of the session
	StartedAt time.Time // of the Ollama where its agent started it
}

// Holders appends to dst the instances that hold the model which ref means, a
// name or an alias, either with a digest, or an id, whether they serve or not.
// What a host held when it was last heard of counts until it is heard of again.
// Where hosts disagree about the digest behind a plain name, only those with the
// digest that the name stands for are among them. An alias hides a model of its
// name that a host has by itself; the id still means that one.
//
// What it costs depends on how many hosts hold the model, and not on how many
// hosts or models there are. Where dst has room it allocates nothing, unless
// hosts disagree.
func (r *Registry) Holders(dst []Holder, ref string) []Holder {
	name, digest := SplitDigest(ref)
	r.mu.RLock()
	defer r.mu.RUnlock()
	if meant, ok := r.named[name]; ok {
		name = meant
	} else {
		name = CanonicalModel(name)
		if alias, is := r.aliases[name]; is {
			name = alias.Model
		}
	}
	list, first := r.holding[name], len(dst)
	if list == nil {
		return dst
	}
	dst = append(dst, list.holders...)
	if digest == "" && disagree(list.holders) {
		digest = list.electDigest(r.preferred[name])
	}
	if digest == "" {
		return dst
	}
	kept := dst[:first]
	for i := range list.holders {
		if list.holders[i].Digest == digest {
			kept = append(kept, list.holders[i])
		}
	}
	return kept
}

// settle notes what its holders have to know of the host, whenever that may have
// changed: they are asked for far more often.
func (e *entry) settle() {
	able := e.current() && !e.view.Draining && !e.leaving
	renamed := e.view.Name != e.name
	if able == e.able && !renamed {
		return
	}
	e.able, e.name = able, e.view.Name
	if renamed {
		e.rename()
	}
	for _, h := range e.held {
		h.list.put(h)
	}
}

// rename has the reports of the host's instances bear its new name.
func (e *entry) rename() {
	renamed := map[*Report]*Report{}
	for _, h := range e.held {
		for i := range h.told {
			old := h.told[i].Report
			if renamed[old] == nil {
				report := *old
				report.Target.Host = e.name
				renamed[old] = &report
			}
			h.told[i].Report = renamed[old]
		}
	}
}

// current reports whether what is known of the host's instances is of now.
func (e *entry) current() bool { return e.reported && e.view.State.Reachable() }

// holdersOf returns what a host's instances hold, by the models' names.
func holdersOf(e *entry, instances []Instance, at time.Time) map[string][]Holder {
	held := map[string][]Holder{}
	for i := range instances {
		instance := &instances[i]
		routes := RoutesOf(instance.Version)
		report := &Report{
			Target: Target{HostID: e.view.ID, Host: e.view.Name, Instance: instance.Name},
			ToldAt: at, Run: Run{e.epoch, instance.StartedAt}, GPUMemory: &e.gpus,
		}
		for m := range instance.Models {
			have := &instance.Models[m]
			name := CanonicalModel(have.Name)
			loaded, ok := instance.loaded(name, have.Digest)
			held[name] = append(held[name], Holder{
				Report: report, Number: e.numbers[instance.Name],
				// Hosts tell the same names and digests: one copy of each is quicker to compare.
				Name: unique.Make(have.Name).Value(), Digest: unique.Make(have.Digest).Value(), SizeBytes: have.SizeBytes,
				Loaded: ok, Routes: routes, ContextLength: int32(loaded.ContextLength), Resident: int32(len(instance.Loaded)),
				Serves: instance.Serves(), Parallel: int32(instance.Parallel), InFlight: int32(instance.InFlight),
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
		old.tell(nil)
		if len(old.list.holders) == 0 {
			delete(r.holding, name)
			delete(r.named, ModelID(name))
		}
	}
	if e.held == nil {
		e.held = map[string]*holding{}
	}
	for name, holders := range held {
		h := e.held[name]
		if h == nil {
			if r.holding[name] == nil {
				r.holding[name] = &holderList{}
				r.named[ModelID(name)] = name
			}
			h = &holding{host: e, list: r.holding[name]}
			e.held[name] = h
		}
		h.tell(holders)
	}
}
