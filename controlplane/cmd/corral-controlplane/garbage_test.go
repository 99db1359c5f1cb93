package main

import (
	"context"
	"runtime/debug"
	"testing"
	"testing/synctest"
)

func TestALargeFleetHasLittleGarbage(t *testing.T) {
	for used, want := range map[uint64]int{0: 1600, 1 << 20: 1600, 8 << 20: 200, 16 << 20: 100, 32 << 20: 50, 1 << 30: 50} {
		if got := percentOf(used); got != want {
			t.Errorf("of %d MB in use: %d%%, want %d%%", used>>20, got, want)
		}
	}
}

func TestTheEnvironmentHasTheLastWordOnGarbage(t *testing.T) {
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	limitGarbage(t.Context(), []string{"A=1", "GOGC=20"}) // and returns
	if now := debug.SetGCPercent(77); now != 77 {
		t.Errorf("it was set to %d", now)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			limitGarbage(ctx, nil)
		}()
		synctest.Wait()
		cancel()
		<-ended
	})
	if now := debug.SetGCPercent(77); now < garbagePercent || now == 77 {
		t.Errorf("without one it was set to %d", now)
	}
}
