package pluginrpc

import (
	"testing"

	"github.com/corral-fleet/corral/sdk/internal/pb/pluginv1"
)

func TestGate(t *testing.T) {
	var g gate
	for range 2 {
		if !g.enter() {
			t.Fatal("nobody comes in")
		}
	}
	g.leave()
	empty := g.shut()
	if g.enter() {
		t.Error("somebody comes in after it is shut")
	}
	select {
	case <-empty:
		t.Error("it is empty with somebody inside")
	default:
	}
	g.leave()
	<-empty
	<-g.shut() // again
}

// What go-plugin has between its own two sides lasts as long as the process.
func TestOnlyOurCallsAreWaitedFor(t *testing.T) {
	s := NewServer(nil, "")
	done, err := s.Begin("/plugin.GRPCStdio/StreamStdio")
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if _, err := s.Drain(t.Context(), nil); err != nil {
		t.Error(err)
	}
	for method, admitted := range map[string]bool{
		pluginv1.PluginService_Open_FullMethodName: false, "/corral.storage.v1.StorageService/Stat": false,
		pluginv1.PluginService_Health_FullMethodName: true, pluginv1.PluginService_Close_FullMethodName: true,
	} {
		if _, err := s.Begin(method); (err == nil) != admitted {
			t.Errorf("%s: %v", method, err)
		}
	}
}
