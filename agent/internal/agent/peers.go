package agent

import (
	"context"
	"time"

	"github.com/corral-fleet/corral/agent/internal/identity"
	"github.com/corral-fleet/corral/agent/internal/ollama"
	"github.com/corral-fleet/corral/agent/internal/peers"
	"github.com/corral-fleet/corral/agent/internal/status"
)

// listenForPeers listens for other hosts that get models from here; nil where none may.
func (a *Agent) listenForPeers(ctx context.Context, id *identity.Identity, supervisor *ollama.Supervisor) (*peers.Server, error) {
	if a.cfg.Peer.Listen == "" {
		return nil, nil
	}
	return peers.Listen(ctx, peers.Options{
		Listen: a.cfg.Peer.Listen, Address: a.cfg.Peer.Address, BytesPerSecond: int64(a.cfg.Peer.SendRate),
		Key: id.PrivateKey(), HostID: func() string { return id.Membership().HostID },
		ModelsDir: func() string {
			dir, _ := supervisor.ModelsDir()
			return dir
		},
		Fetching: func() bool {
			_, serves := supervisor.Endpoint()
			return serves
		},
		Log: a.log.Named("peers"), Now: time.Now,
	})
}

// peerAddress is where other hosts get models from this one; "" where they don't.
func peerAddress(s *peers.Server) string {
	if s == nil {
		return ""
	}
	return s.Address
}

// peerStatus is what other hosts have got from here.
func peerStatus(s *peers.Server) *status.Peers {
	if s == nil {
		return nil
	}
	return &status.Peers{Address: s.Address, Serving: s.Serving(), SentBytes: s.SentBytes()}
}
