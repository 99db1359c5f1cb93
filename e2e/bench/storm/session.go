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
func (a *agent) session(ctx context.Context, ws *websocket.Conn, acked uint64) error {
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
	cut := func() { mux.Close() }
	a.cut.Store(&cut)
	a.kept.forget(acked)
	out := wire.NewWriter(voice{control, a})
	instances := &wire.Instances{}
	if a.machine != nil {
		instances = a.machine.instances()
	}
	if err := out.Write(instances); err != nil {
		return err
	}
	beats := &heartbeats{worst: &a.fleet.late, heard: time.Now()}
	running.Go(func() { a.ping(ctx, out, beats) })
	if a.machine != nil {
		running.Go(func() { a.report(ctx, out, acked) })
		running.Go(func() { a.serve(ctx, mux) })
	}
	a.fleet.begin()
	defer a.fleet.connected.Add(-1)
	for in := wire.NewReader(control); ; {
		frame, err := in.Read()
		if err != nil {
			return err
		}
		if slow := a.fault.Load().Slow; slow > 0 && pause(ctx, slow) != nil {
			return ctx.Err()
		}
		if err := a.answer(out, frame, beats); err != nil {
			return err
		}
	}
}

// answer answers what wants an answer.
func (a *agent) answer(out *wire.Writer, frame wire.Frame, beats *heartbeats) error {
	switch f := frame.(type) {
	case *wire.Ack:
		a.kept.forget(f.Seq)
	case *wire.Pong:
		beats.answered(f.ID)
	case *wire.Ping:
		beats.asked()
		return out.Write(&wire.Pong{ID: f.ID, UnixMillis: a.now().UnixMilli()})
	case *wire.Action:
		return out.Write(&wire.ActionResult{ID: f.ID, Code: "not_implemented", Message: "nothing can be done with a simulated host"})
	}
	return nil
}

// ping asks the control plane for a sign of life, as real agents do. One that gives
// none for too long is found out by what is read from it.
func (a *agent) ping(ctx context.Context, out *wire.Writer, beats *heartbeats) {
	tick := time.NewTicker(wire.PingInterval)
	defer tick.Stop()
	for id := uint64(1); ; id++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			beats.ask(id)
			if out.Write(&wire.Ping{ID: id, UnixMillis: a.now().UnixMilli()}) != nil {
				return
			}
		}
	}
}

// sample takes a sample each second until ctx ends, whether anybody is there to get
// it or not. Machines begin at different moments of a second.
func (a *agent) sample(ctx context.Context) {
	if pause(ctx, rand.N(sampleInterval)) != nil {
		return
	}
	tick := time.NewTicker(sampleInterval)
	defer tick.Stop()
	for {
		if !a.fleet.resting.Load() {
			a.kept.push(a.machine.read(a.now()))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// report sends the samples after those that are acknowledged, and how the host's
// instances are, until ctx ends or the control plane is gone.
func (a *agent) report(ctx context.Context, out *wire.Writer, sent uint64) {
	instances := time.NewTicker(instancesInterval)
	defer instances.Stop()
	for {
		for {
			seq, frame := a.kept.after(sent)
			if frame == nil {
				break
			}
			if out.WriteEncoded(frame) != nil {
				return
			}
			sent = seq
		}
		select {
		case <-ctx.Done():
			return
		case <-a.kept.added:
		case <-instances.C:
			if out.Write(a.machine.instances()) != nil {
				return
			}
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
