package storagetest

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/memory"
)

func TestAWholeBackendPasses(t *testing.T) {
	Run(t, func(t *testing.T) storage.Backend { return alter(t, func(*altered) {}) })
}

// TestEveryBreakageIsFound also wants a breakage for each check: one that never
// fails says nothing.
func TestEveryBreakageIsFound(t *testing.T) {
	for _, c := range Checks() {
		if c.Needs&storage.OnlyReads != 0 {
			continue // of another kind of backend
		}
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			all := slices.Concat(readingBreakages[c.ID], writingBreakages[c.ID], givingBreakages[c.ID], listingBreakages[c.ID], optionalBreakages[c.ID])
			if len(all) == 0 {
				t.Fatal("nothing shows that this check can fail")
			}
			for i, broken := range all {
				r := c.Try(t.Context(), alter(t, broken))
				if want := map[bool]Verdict{true: Failed, false: DeclaredButBroken}[c.Needs == 0]; r.Verdict != want {
					t.Errorf("breakage %d: %s", i, r.Verdict)
				}
				for _, f := range r.Faults {
					t.Log(f)
				}
			}
		})
	}
}

func TestIDsAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Checks() {
		if seen[c.ID] || c.Sentence == "" {
			t.Errorf("%q, %q", c.ID, c.Sentence)
		}
		seen[c.ID] = true
	}
}

// onlyBackend hides all that is beyond the five methods.
type onlyBackend struct{ storage.Backend }

// modest is a backend that can do more than it says.
type modest struct{ full }

func (modest) Capabilities() storage.Capabilities { return 0 }

func TestWhatWorksAndIsNotDeclaredIsTold(t *testing.T) {
	for _, c := range Checks() {
		if c.Needs == 0 || c.Needs&storage.OnlyReads != 0 {
			continue
		}
		if r := c.Try(t.Context(), modest{newFull(t)}); r.Verdict != WorksButUndeclared {
			t.Errorf("%s: %+v", c.ID, r)
		}
	}
}

func TestWhatIsNotDeclaredIsNotChecked(t *testing.T) {
	for _, c := range Checks() {
		if c.Needs == 0 {
			continue
		}
		if r := c.Try(t.Context(), onlyBackend{memory.New(1000)}); r.Verdict != NotDeclared {
			t.Errorf("%s: %+v", c.ID, r)
		}
	}
}

// panics is a backend that panics, and hangs one that pays no heed to anything.
type panics struct{ storage.Backend }

func (panics) Stat(context.Context, string) (storage.Info, error) { panic("oh") }

func TestAPanicIsAFailure(t *testing.T) {
	r := Checks()[0].Try(t.Context(), panics{memory.New(1000)})
	if r.Verdict != Failed || !strings.Contains(strings.Join(r.Faults, ""), "oh") {
		t.Errorf("%+v", r)
	}
}

type hangs struct {
	storage.Backend
	until chan struct{}
}

func (h hangs) Stat(context.Context, string) (storage.Info, error) {
	<-h.until
	return storage.Info{}, errInternal
}

func TestAHangIsAFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	until := make(chan struct{})
	r := Checks()[0].Try(ctx, hangs{memory.New(1000), until})
	close(until)
	if r.Verdict != Failed || !r.Unanswered || !strings.Contains(strings.Join(r.Faults, ""), "hangs") {
		t.Errorf("%+v", r)
	}
}

func TestPatternsDiffer(t *testing.T) {
	if bytes.Equal(pattern(100, 1), pattern(100, 2)) || bytes.Equal(pattern(100, 1)[:50], pattern(100, 1)[50:]) {
		t.Error("they don't")
	}
}
