package auth_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Whoever guesses keeps nobody out: neither who has a key nor who has a link.
func TestGuessingLocksNobodyOut(t *testing.T) {
	g := newGate(t)
	stop := make(chan struct{})
	var guessing, begun sync.WaitGroup
	for _, guess := range []func() error{
		func() error { _, err := g.ByKey(t.Context(), "crl_"+strings.Repeat("A", 43)); return err },
		func() error { _, err := g.ByLink(t.Context(), "crn_"+strings.Repeat("A", 43)); return err },
	} {
		for range 4 {
			begun.Add(1)
			guessing.Go(func() {
				once := sync.OnceFunc(begun.Done)
				for {
					if err := guess(); fault.KindOf(err) != fault.Unauthenticated {
						t.Errorf("a guess: %v", err)
					}
					once()
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
	}
	begun.Wait()
	for range 20 {
		if _, err := g.ByKey(t.Context(), g.key.Reveal()); err != nil {
			t.Errorf("who has the key: %v", err)
		}
		if _, err := g.ByLink(t.Context(), g.link()); err != nil {
			t.Errorf("who has a link: %v", err)
		}
	}
	close(stop)
	guessing.Wait()
}
