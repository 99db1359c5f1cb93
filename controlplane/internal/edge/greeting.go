package edge

import (
	"errors"
	"runtime"
	"sync"
	"time"
)

// greetingWait is how long a TLS client waits for its handshake's turn.
const greetingWait = 2 * time.Second

var errCrowd = errors.New("edge: too many TLS handshakes at once")

// greetings have a slot for each TLS handshake that is being computed, and those
// who wait for one are not kept for long. It is by far the dearest part of a
// connection: were ten thousand agents answered at once, none would be done before
// its patience is over, and all of them would come again.
type greetings chan struct{}

func newGreetings() greetings { return make(greetings, runtime.GOMAXPROCS(0)) }

// begin waits for a slot. done gives it back, the first time that it is called; that
// has to be before the peer is waited for, or silent ones would keep out the others.
func (g greetings) begin() (done func(), err error) {
	select {
	case g <- struct{}{}:
	default:
		patience := time.NewTimer(greetingWait)
		defer patience.Stop()
		select {
		case g <- struct{}{}:
		case <-patience.C:
			return nil, errCrowd
		}
	}
	return sync.OnceFunc(func() { <-g }), nil
}
