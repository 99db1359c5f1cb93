//go:build !race

package wire_test

import (
	"testing"

	"github.com/corral-fleet/corral/sdk/wire"
)

// TestEncodingDoesNotAllocate holds the agent's path: one encoder, one buffer,
// one sample each second for as long as the host runs.
func TestEncodingDoesNotAllocate(t *testing.T) {
	var e wire.Encoder
	s := exampleSample(64)
	buf := e.AppendFrame(nil, s)
	if n := testing.AllocsPerRun(200, func() { buf = e.AppendFrame(buf[:0], s) }); n != 0 {
		t.Errorf("AppendFrame allocates %v times a sample, want 0", n)
	}
	if n := testing.AllocsPerRun(200, func() { buf = e.AppendSample(buf[:0], s) }); n != 0 {
		t.Errorf("AppendSample allocates %v times a sample, want 0", n)
	}
}
