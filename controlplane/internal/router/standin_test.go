package router

import (
	"slices"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/router/queue"
)

// The speeds of a stand-in for an Ollama.
const (
	standInSlots    = 2
	standInModels   = 2 // in memory at a time
	standInLoad     = 4 * time.Second
	standInPrompt   = 1500.0 // tokens a second
	standInGenerate = 60.0   // tokens a second
	standInToken    = 4      // bytes
)

// standIn is an Ollama that only takes its time: it loads models, unloads the
// one that was idle for longest, loads anew for other options, and has what its
// places computed last in a cache.
type standIn struct {
	name    string
	queue   []*job
	runners []*standInRunner
	loading bool
	loads   int
}

type standInRunner struct {
	model   string
	context int
	busy    int
	usedAt  time.Duration
	places  []place
}

// place is one of a runner's, with the prompt that is in its cache.
type place struct {
	prompt string
	busy   bool
	usedAt time.Duration
}

// job is a request on its way.
type job struct {
	*turnOf
	asked, answered time.Duration
	promptTime      time.Duration
	loadTime        time.Duration
	host            *standIn
	ask             ask
	choice          *choice // of the router, where that decides
	turn            *queue.Ticket
	done            func()
}

func (s *standIn) runner(model string) *standInRunner {
	for _, r := range s.runners {
		if r.model == model {
			return r
		}
	}
	return nil
}

// inMemory is what an agent would tell of it.
func (s *standIn) inMemory() []fleet.LoadedModel {
	var loaded []fleet.LoadedModel
	for _, r := range s.runners {
		loaded = append(loaded, fleet.LoadedModel{Name: r.model + ":latest", Digest: r.model, ContextLength: max(r.context, 4096)})
	}
	return loaded
}

// advance begins all that can begin now. As in the real one, a request that
// has to wait for a runner to go holds up all that come after it.
func (s *standIn) advance(w *world) {
	for i := 0; i < len(s.queue) && !s.loading; {
		j := s.queue[i]
		r := s.runner(j.model)
		switch {
		case r != nil && r.context == j.context && r.busy < standInSlots:
			s.queue = slices.Delete(s.queue, i, i+1)
			s.serve(w, r, j)
		case r != nil && r.context == j.context:
			i++
		case !s.makeRoom(r):
			return
		default:
			s.load(w, j)
		}
	}
}

// makeRoom unloads the runner that has to go before another can be loaded, and
// reports whether it has gone.
func (s *standIn) makeRoom(old *standInRunner) bool {
	if old == nil {
		if len(s.runners) < standInModels {
			return true
		}
		for _, r := range s.runners {
			if r.busy == 0 && (old == nil || r.usedAt < old.usedAt) {
				old = r
			}
		}
	}
	if old == nil || old.busy > 0 {
		return false
	}
	s.runners = slices.DeleteFunc(s.runners, func(r *standInRunner) bool { return r == old })
	return true
}

func (s *standIn) load(w *world, j *job) {
	s.loading = true
	s.loads++
	j.loadTime = standInLoad
	w.after(standInLoad, func() {
		s.loading = false
		s.runners = append(s.runners, &standInRunner{model: j.model, context: j.context, places: make([]place, standInSlots)})
		s.advance(w)
	})
}

// serve has a runner work on a request.
func (s *standIn) serve(w *world, r *standInRunner, j *job) {
	best := -1
	for i := range r.places {
		if r.places[i].busy {
			continue
		}
		if best < 0 || common(r.places[i].prompt, j.prompt) > common(r.places[best].prompt, j.prompt) ||
			common(r.places[i].prompt, j.prompt) == common(r.places[best].prompt, j.prompt) && r.places[i].usedAt < r.places[best].usedAt {
			best = i
		}
	}
	at := &r.places[best]
	missing := len(j.prompt) - common(at.prompt, j.prompt)
	*at = place{prompt: j.prompt, busy: true}
	r.busy++
	j.promptTime = time.Duration(float64(missing) / standInToken / standInPrompt * float64(time.Second))
	w.after(j.promptTime, func() {
		j.answered = w.now
		w.answer(j)
		w.after(time.Duration(float64(j.answer)/standInGenerate*float64(time.Second)), func() {
			r.busy--
			r.usedAt, at.usedAt, at.busy = w.now, w.now, false
			j.done()
			s.advance(w)
		})
	})
}

func common(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
