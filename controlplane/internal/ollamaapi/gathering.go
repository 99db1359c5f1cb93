package ollamaapi

import "sync"

// gathering makes one progress of what several hosts tell of the same work. What comes
// before the files is told as soon as one host says it, what comes after them when all
// do; of a file, the bytes of all hosts are told together. Its methods may be called
// concurrently.
type gathering struct {
	hosts int
	tell  func(report)

	mu    sync.Mutex
	said  map[string]int       // how many hosts have said a status
	files map[string]*gathered // by digest
}

// gathered is a file that hosts fetch, which is of the same size on all of them.
type gathered struct {
	total int64
	done  []int64 // by host
}

func newGathering(hosts int, tell func(report)) *gathering {
	return &gathering{hosts: hosts, tell: tell, said: map[string]int{}, files: map[string]*gathered{}}
}

// hear takes what a host reports, which is told where it is news.
func (g *gathering) hear(host int, r report) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.Digest == "" {
		g.said[r.Status]++
		if n := g.said[r.Status]; n == g.hosts || n == 1 && len(g.files) == 0 {
			g.say(r, n)
		}
		return
	}
	f := g.files[r.Digest]
	if f == nil {
		f = &gathered{done: make([]int64, g.hosts)}
		g.files[r.Digest] = f
	}
	f.total = max(f.total, r.Total)
	f.done[host] = max(f.done[host], r.Completed)
	r.Total, r.Completed = f.total*int64(g.hosts), 0
	for _, n := range f.done {
		r.Completed += n
	}
	g.tell(r)
}

// say tells a status once. g.mu is held.
func (g *gathering) say(r report, n int) {
	if n < g.hosts {
		g.said[r.Status] = -g.hosts // nobody has to say it again
	}
	g.tell(r)
}
