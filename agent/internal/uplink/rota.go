package uplink

import (
	"net/url"
	"slices"
)

// rota is in which order a control plane's addresses are tried.
type rota struct {
	servers []*url.URL // the one that answered last is the first
	turn    int
}

func newRota(servers []*url.URL) rota { return rota{servers: slices.Clone(servers)} }

// next returns the address whose turn it is.
func (r *rota) next() *url.URL {
	server := r.servers[r.turn%len(r.servers)]
	r.turn++
	return server
}

// answered notes that the address that next returned is good: it is tried first
// from now on, and the others after it in the order in which they were given.
func (r *rota) answered() {
	at := (r.turn - 1) % len(r.servers)
	good := r.servers[at]
	r.servers = slices.Insert(slices.Delete(r.servers, at, at+1), 0, good)
	r.turn = 0
}
