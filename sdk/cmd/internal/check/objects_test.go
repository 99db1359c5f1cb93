package check

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/memory"
	"github.com/corral-fleet/corral/sdk/storage/storagetest"
)

// publishedObjects are what plugins that can only be read have.
func publishedObjects() map[string]string {
	return map[string]string{"m/a.gguf": strings.Repeat("abc", 100_000), "m/config.json": "{}", "m/empty": ""}
}

// published is a backend that can only be read, and may be bad in one way.
type published struct {
	storage.ReadOnly
	*bad
}

func newPublished(which string) (storage.Backend, error) {
	objects := memory.New(1 << 20)
	for key, text := range publishedObjects() {
		if err := objects.Put(context.Background(), key, storage.Bytes([]byte(text))); err != nil {
			return nil, err
		}
	}
	return &published{bad: &bad{Backend: objects, which: which}}, nil
}

// Put implements [storage.Backend].
func (p *published) Put(ctx context.Context, key string, src storage.Source) error {
	if strings.HasSuffix(p.which, "and takes uploads") {
		return p.bad.Backend.Put(ctx, key, src)
	}
	return p.ReadOnly.Put(ctx, key, src)
}

// Capabilities implements [storage.Limited].
func (p *published) Capabilities() storage.Capabilities { return storage.OnlyReads }

// Delete implements [storage.Backend].
func (p *published) Delete(ctx context.Context, key string) error { return p.ReadOnly.Delete(ctx, key) }

// Get implements [storage.Backend].
func (p *published) Get(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
	if strings.HasSuffix(p.which, "and leaks") {
		p.leak()
	}
	return p.bad.Backend.Get(ctx, key, r)
}

func TestAStorageThatCanOnlyBeReadPasses(t *testing.T) {
	r, err := checked(t, "only reads", "--objects", samplesOf(t, publishedObjects()))
	if err != nil {
		t.Errorf("%v", err)
	}
	verdicts := map[storagetest.Verdict]int{}
	for _, one := range r.Results {
		verdicts[one.Verdict]++
		if one.Verdict != storagetest.Passed && one.Verdict != storagetest.NotDeclared {
			t.Errorf("%s: %s %q", one.ID, one.Verdict, one.Faults)
		}
		if strings.HasPrefix(one.ID, "ST-READ-") && one.ID != "ST-READ-014" && one.Verdict != storagetest.Passed {
			t.Errorf("%s: %s", one.ID, one.Verdict)
		}
	}
	if r.Capabilities != "page,check,read_only" || verdicts[storagetest.Passed] < 30 {
		t.Errorf("%s, %v", r.Capabilities, verdicts)
	}
}

func TestAStorageThatCanOnlyBeReadIsFoundOut(t *testing.T) {
	for which, id := range map[string]string{"only reads and takes uploads": "ST-READ-001", "only reads and leaks": "PL-LEAK-001"} {
		r, err := checked(t, which, "--objects", samplesOf(t, publishedObjects()), "--run", "^"+id+"$")
		if err == nil || len(r.Results) != 1 || !r.Results[0].Verdict.Bad() {
			t.Errorf("%s: %+v, %v", which, r.Results, err)
		}
	}
}

func TestWhatAStorageHasIsToBeSaid(t *testing.T) {
	for name, args := range map[string][]string{"no folder": nil, "an empty one": {"--objects", t.TempDir()}, "none": {"--objects", "/nowhere/at/all"}} {
		if _, err := checked(t, "only reads", args...); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
