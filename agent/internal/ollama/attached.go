package ollama

import (
	"context"
	"sync"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// runAttached watches somebody else's Ollama until ctx is done.
func (s *Supervisor) runAttached(ctx context.Context) {
	at := s.configuredAddress()
	s.log.Info("attached to an ollama that somebody else runs", "address", at)
	s.board.state(wire.InstanceStarting, "", "")
	c := newClient(at)
	defer c.close()
	verdicts := make(chan verdict)
	w := &watcher{
		files: map[string]string{},
		cfg:   s.cfg, log: s.log, client: c, progress: s.progress, board: s.board,
		refresh: s.refresh, used: s.used, verdicts: verdicts, serving: &serving{at: at},
	}
	s.endpoint.Store(&at) // before the watcher says that it is ready
	var watching sync.WaitGroup
	watching.Go(func() { w.run(ctx) })
	defer watching.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-s.requests:
			r.answer <- fault.New(fault.Conflict, "this Ollama was set up by somebody else and is only watched; restart it with what runs it, for example `systemctl restart ollama` on the host")
		case v := <-verdicts:
			s.log.Warn("the attached ollama does not work", "cause", v.cause, "message", v.message)
			if v.refused {
				s.board.over()
				s.board.state(wire.InstanceStopped, ReasonUnreachable, "Nobody listens at "+at+", where this Ollama was.")
				continue
			}
			if v.cause == CauseUnresponsive {
				s.board.update(func(i *wire.Instance) {
					if i.State == wire.InstanceStopped { // it listens again, but that is all
						i.State, i.Reason, i.Message = wire.InstanceStarting, "", ""
					}
				})
			}
			s.board.trouble(v.cause, v.message)
		}
	}
}
