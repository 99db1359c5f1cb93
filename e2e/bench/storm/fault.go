package storm

import (
	"net"
	"time"
)

// Fault is what is wrong with an agent. The zero value is nothing.
type Fault struct {
	Silent   bool          // it says nothing any more, and its connection stays
	Slow     time.Duration // it waits so long before it reads each frame
	ClockOff time.Duration // its clock is so much ahead
}

// Inflict has the agents from the first one, so many of them, go on with this
// fault, and without the one that they had.
func (f *Fleet) Inflict(first, count int, fault Fault) {
	for _, a := range f.agents[first:min(first+count, len(f.agents))] {
		a.fault.Store(&fault)
	}
}

// Drop cuts the connections of the agents from the first one, so many of them.
// They come back by themselves.
func (f *Fleet) Drop(first, count int) {
	for _, a := range f.agents[first:min(first+count, len(f.agents))] {
		if cut := a.cut.Load(); cut != nil {
			(*cut)()
		}
	}
}

// now is the time by the agent's clock.
func (a *agent) now() time.Time { return time.Now().Add(a.fault.Load().ClockOff) }

// voice is the agent's end of the control stream. What a silent agent says is lost.
type voice struct {
	net.Conn
	agent *agent
}

// Write implements io.Writer.
func (v voice) Write(p []byte) (int, error) {
	if v.agent.fault.Load().Silent {
		return len(p), nil
	}
	return v.Conn.Write(p)
}
