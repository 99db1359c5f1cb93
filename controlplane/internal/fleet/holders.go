package fleet

// Holder is an instance that holds a model.
type Holder struct {
	Target   Target
	Name     string // the model's name there
	Digest   string
	Loaded   bool // in the instance's memory
	Serves   bool // requests may be sent there now
	InFlight int  // requests under way there, as its agent last told
}

// Holders appends to dst the instances that hold the model which ref means, a
// name, a name with a digest or an id, whether they serve or not. What a host
// held when it was last heard of counts until it is heard of again. Where hosts
// disagree about the digest behind a plain name, only those with the digest that
// the name stands for are among them.
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
	}
	entries, first := r.holding[name], len(dst)
	for _, e := range entries {
		dst = e.appendHolders(dst, name)
	}
	if digest == "" && disagree(dst[first:]) {
		digest = electDigest(entries, name)
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

func (e *entry) appendHolders(dst []Holder, name string) []Holder {
	able := e.current() && !e.view.Draining
	for _, h := range e.held[name] {
		h.Target.HostID, h.Target.Host = e.view.ID, e.view.Name
		h.Serves = h.Serves && able
		dst = append(dst, h)
	}
	return dst
}

// current reports whether what is known of the host's instances is of now.
func (e *entry) current() bool { return e.reported && e.view.State.Reachable() }

func disagree(holders []Holder) bool {
	for i := 1; i < len(holders); i++ {
		if holders[i].Digest != holders[0].Digest {
			return true
		}
	}
	return false
}

// electDigest returns the digest that a name stands for, or "" when no host that
// could tell is here.
func electDigest(entries []*entry, name string) string {
	votes := ballot{}
	for _, e := range entries {
		if !e.current() {
			continue
		}
		for _, h := range e.held[name] {
			votes.add(h.Digest, e.view.ID)
		}
	}
	if len(votes) == 0 {
		return ""
	}
	return votes.ranked()[0]
}

// holdersOf returns what instances hold, by the models' names. The host is left
// out: it may be renamed.
func holdersOf(instances []Instance) map[string][]Holder {
	held := map[string][]Holder{}
	for i := range instances {
		instance := &instances[i]
		for m := range instance.Models {
			have := &instance.Models[m]
			name := CanonicalModel(have.Name)
			_, loaded := instance.loaded(name, have.Digest)
			held[name] = append(held[name], Holder{
				Target: Target{Instance: instance.Name}, Name: have.Name, Digest: have.Digest,
				Loaded: loaded, Serves: instance.Serves(), InFlight: instance.InFlight,
			})
		}
	}
	return held
}

// hold replaces what a host holds, and where that is looked up. The caller holds mu.
func (r *Registry) hold(e *entry, held map[string][]Holder) {
	for name := range e.held {
		if _, still := held[name]; !still {
			r.holding[name] = without(r.holding[name], e)
			if len(r.holding[name]) == 0 {
				delete(r.holding, name)
				delete(r.named, ModelID(name))
			}
		}
	}
	for name := range held {
		if _, already := e.held[name]; !already {
			if r.holding[name] == nil {
				r.named[ModelID(name)] = name
			}
			r.holding[name] = append(r.holding[name], e)
		}
	}
	e.held = held
}

func without(entries []*entry, gone *entry) []*entry {
	for i, e := range entries {
		if e == gone {
			last := len(entries) - 1
			entries[i], entries[last] = entries[last], nil
			return entries[:last]
		}
	}
	return entries
}
