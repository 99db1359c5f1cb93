package storm

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/corral-fleet/corral/sdk/wire"
	"github.com/corral-fleet/corral/sdk/wire/exchange"
	"github.com/corral-fleet/corral/sdk/wire/tunnel"
)

// How often a simulated host tells of itself, as a real one does.
const (
	sampleInterval    = time.Second
	instancesInterval = 10 * time.Second
)

// session answers until the control plane is gone. What runs for it has ended
// when it returns.
func (a *agent) session(ctx context.Context, ws *websocket.Conn) error {
	var running sync.WaitGroup
	defer running.Wait()
	mux := tunnel.Client(ws)
	defer mux.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	control, err := mux.Open()
	if err != nil {
		return err
	}
	out := wire.NewWriter(control)
	instances := &wire.Instances{}
	if a.machine != nil {
		instances = a.machine.instances()
	}
	if err := out.Write(instances); err != nil {
		return err
	}
	if a.machine != nil {
		running.Go(func() { a.report(ctx, out) })
		running.Go(func() { a.serve(ctx, mux) })
	}
	a.fleet.begin()
	defer a.fleet.connected.Add(-1)
	for in := wire.NewReader(control); ; {
		frame, err := in.Read()
		if err != nil {
			return err
		}
		if err := answerFrame(out, frame); err != nil {
			return err
		}
	}
}

// answerFrame answers what wants an answer.
func answerFrame(out *wire.Writer, frame wire.Frame) error {
	switch f := frame.(type) {
	case *wire.Ping:
		return out.Write(&wire.Pong{ID: f.ID, UnixMillis: time.Now().UnixMilli()})
	case *wire.Action:
		return out.Write(&wire.ActionResult{ID: f.ID, Code: "not_implemented", Message: "nothing can be done with a simulated host"})
	}
	return nil
}

// report tells how the machine is, until ctx ends or the control plane is gone.
// Machines begin at different moments of a second.
func (a *agent) report(ctx context.Context, out *wire.Writer) {
	if pause(ctx, rand.N(sampleInterval)) != nil {
		return
	}
	samples, instances := time.NewTicker(sampleInterval), time.NewTicker(instancesInterval)
	defer samples.Stop()
	defer instances.Stop()
	for err := out.Write(a.machine.read(time.Now())); err == nil; {
		select {
		case <-ctx.Done():
			return
		case now := <-samples.C:
			err = out.Write(a.machine.read(now))
		case <-instances.C:
			err = out.Write(a.machine.instances())
		}
	}
}

// serve answers on the streams that the control plane opens.
func (a *agent) serve(ctx context.Context, mux *tunnel.Session) {
	var serving sync.WaitGroup
	defer serving.Wait()
	for {
		stream, err := mux.Accept()
		if err != nil {
			return
		}
		// How a stream ends is the control plane's to judge.
		serving.Go(func() { _ = exchange.Serve(ctx, stream, a.machine.handle) })
	}
}
