package uplink

import (
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

func TestSilenceEndsASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		control, theirs := net.Pipe()
		s := &session{Uplink: New(options(t)), out: wire.NewWriter(control)}
		var working sync.WaitGroup
		defer working.Wait()
		defer control.Close()
		result := make(chan error, 1)
		working.Go(func() { result <- s.send(t.Context()) })
		working.Go(func() {
			if err := s.receive(t.Context(), control, &working); fault.KindOf(err) != fault.Unavailable {
				t.Errorf("the control stream ended with %v", err)
			}
		})
		working.Go(func() { io.Copy(io.Discard, theirs) })

		out := wire.NewWriter(theirs)
		for range 10 { // little is enough
			time.Sleep(wire.SilentPings*wire.PingInterval - time.Second)
			if err := out.Write(&wire.Unknown{Number: 1000}); err != nil {
				t.Fatal(err)
			}
			if synctest.Wait(); len(result) > 0 {
				t.Fatalf("the session ended without a silence: %v", <-result)
			}
		}
		begun := time.Now()
		if err := <-result; fault.KindOf(err) != fault.Unavailable {
			t.Errorf("the session ended with %v", err)
		}
		least, most := wire.SilentPings*wire.PingInterval, (wire.SilentPings+2)*wire.PingInterval
		if after := time.Since(begun); after < least || after > most {
			t.Errorf("it ended after %v of silence, want %v to %v", after, least, most)
		}
	})
}
