package auth_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/auth"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/sqlite"
	"github.com/corral-fleet/corral/sdk/fault"
)

func openState(t *testing.T, dir string) *sqlite.State {
	t.Helper()
	state, err := sqlite.OpenState(t.Context(), dir, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := state.Close(); err != nil {
			t.Error(err)
		}
	})
	return state
}

func newKeyring(t *testing.T, store auth.Store) *auth.Keyring {
	t.Helper()
	return auth.NewKeyring(store, time.Now, hclog.NewNullLogger())
}

func create(t *testing.T, ring *auth.Keyring, name string) (auth.Secret, fleet.Key) {
	t.Helper()
	secret, key, err := ring.Create(t.Context(), name, fleet.RoleInference, 0)
	if err != nil {
		t.Fatal(err)
	}
	return secret, key
}

// isGone reports whether a key's channel is closed now.
func isGone(gone <-chan struct{}) bool {
	select {
	case <-gone:
		return true
	default:
		return false
	}
}

func TestAKeyIsFoundByItsSecretAlone(t *testing.T) {
	ring := newKeyring(t, openState(t, t.TempDir()))
	secret, key := create(t, ring, "laptop")
	create(t, ring, "other")
	found, _, ok := ring.Find(secret.Reveal())
	if !ok {
		t.Fatal("a new key is not found")
	}
	key.CreatedAt = key.CreatedAt.UTC().Truncate(time.Microsecond) // as stores keep times
	if diff := cmp.Diff(key, found); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	text := secret.Reveal()
	if !strings.HasPrefix(text, "crl_") || len(text) != 47 {
		t.Errorf("a key has %d characters and starts with %q", len(text), text[:4])
	}
	for _, wrong := range []string{"", "crl_", text[:46], text + "A", text[:46] + "!", "crt_" + text[4:], text[4:], strings.ToLower(text), " " + text} {
		if _, gone, ok := ring.Find(wrong); ok || gone != nil {
			t.Errorf("a wrong key of %d characters is found", len(wrong))
		}
	}
}

func TestFindAllocatesNothing(t *testing.T) {
	ring := newKeyring(t, openState(t, t.TempDir()))
	secret, _ := create(t, ring, "laptop")
	text := secret.Reveal()
	if n := testing.AllocsPerRun(100, func() {
		if _, _, ok := ring.Find(text); !ok {
			t.Fatal("not found")
		}
	}); n != 0 {
		t.Errorf("Find allocates %v times", n)
	}
}

func TestNamesAndRolesAreChecked(t *testing.T) {
	ring := newKeyring(t, openState(t, t.TempDir()))
	f := func(name string, role fleet.Role, want fault.Kind) {
		t.Helper()
		if _, _, err := ring.Create(t.Context(), name, role, 0); fault.KindOf(err) != want {
			t.Errorf("create %q as %q: %v, want %v", name, role, err, want)
		}
	}
	f("ci runner 7", fleet.RoleViewer, fault.None)
	f(strings.Repeat("ü", 64), fleet.RoleAdmin, fault.None)
	f("ci runner 7", fleet.RoleViewer, fault.Conflict)
	f(strings.Repeat("x", 65), fleet.RoleViewer, fault.Invalid)
	for _, name := range []string{"", " ", " x", "x ", "a\nb", "a\x1b[31m", "a\u202eb", "a\xffb"} {
		f(name, fleet.RoleViewer, fault.Invalid)
	}
	for _, role := range []fleet.Role{"", "root", "Admin", "admin "} {
		f("fine", role, fault.Invalid)
	}
}

func TestARevokedKeyIsGone(t *testing.T) {
	ring := newKeyring(t, openState(t, t.TempDir()))
	secret, key := create(t, ring, "lost")
	kept, _ := create(t, ring, "kept")
	_, gone, _ := ring.Find(secret.Reveal())
	_, keptGone, _ := ring.Find(kept.Reveal())
	if isGone(gone) {
		t.Fatal("the key is gone before it was revoked")
	}
	if err := ring.Revoke(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	if !isGone(gone) {
		t.Error("whoever came with the key was not told")
	}
	if _, _, ok := ring.Find(secret.Reveal()); ok {
		t.Error("a revoked key is found")
	}
	if _, _, ok := ring.Find(kept.Reveal()); !ok || isGone(keptGone) {
		t.Error("another key went with it")
	}
	if err := ring.Revoke(t.Context(), "nobody"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("revoking an unknown id: %v", err)
	}
}

func TestAPriorityIsFromMinusTwoToTwo(t *testing.T) {
	ring := newKeyring(t, openState(t, t.TempDir()))
	secret, key := create(t, ring, "batch")
	for _, priority := range []int{-2, 2, 0} {
		changed, err := ring.SetPriority(t.Context(), key.ID, priority)
		found, _, _ := ring.Find(secret.Reveal())
		if err != nil || changed.Priority != priority || found.Priority != priority {
			t.Errorf("set to %d: %d, found with %d, %v", priority, changed.Priority, found.Priority, err)
		}
	}
	for _, priority := range []int{-3, 3} {
		if _, err := ring.SetPriority(t.Context(), key.ID, priority); fault.KindOf(err) != fault.Invalid {
			t.Errorf("set to %d: %v", priority, err)
		}
		if _, _, err := ring.Create(t.Context(), "other", fleet.RoleViewer, priority); fault.KindOf(err) != fault.Invalid {
			t.Errorf("create with %d: %v", priority, err)
		}
	}
	if _, err := ring.SetPriority(t.Context(), "nobody", 1); fault.KindOf(err) != fault.NotFound {
		t.Errorf("of an unknown key: %v", err)
	}
}

func TestAPriorityThatAnotherProcessSetIsNoticed(t *testing.T) {
	dir := t.TempDir()
	server, tool := newKeyring(t, openState(t, dir)), newKeyring(t, openState(t, dir))
	secret, key := create(t, tool, "batch")
	running(t, server)
	gone := appears(t, server, secret)
	if _, err := tool.SetPriority(t.Context(), key.ID, -2); err != nil {
		t.Fatal(err)
	}
	awaitKey(t, server, secret, "the priority is as it was", func(key fleet.Key) bool { return key.Priority == -2 })
	if isGone(gone) {
		t.Error("a key whose priority changed ended what came with it")
	}
}

func TestWhatAnotherProcessDoesIsNoticed(t *testing.T) {
	dir := t.TempDir()
	server, tool := newKeyring(t, openState(t, dir)), newKeyring(t, openState(t, dir))
	early, earlyKey := create(t, tool, "early")
	running(t, server)
	gone := appears(t, server, early)
	late, _ := create(t, tool, "late")
	appears(t, server, late)
	if err := tool.Revoke(t.Context(), earlyKey.ID); err != nil {
		t.Fatal(err)
	}
	select {
	case <-gone:
	case <-time.After(5 * time.Second):
		t.Fatal("after 5 s the key that another process revoked is still good")
	}
	if _, _, ok := server.Find(early.Reveal()); ok {
		t.Error("the key is gone and still found")
	}
}

// running runs a keyring until the test ends.
func running(t *testing.T, ring *auth.Keyring) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- ring.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

// appears waits until a keyring finds a key.
func appears(t *testing.T, ring *auth.Keyring, secret auth.Secret) (gone <-chan struct{}) {
	t.Helper()
	return awaitKey(t, ring, secret, "the key is not known", func(fleet.Key) bool { return true })
}

// awaitKey waits until a keyring finds a key that is as it should be.
func awaitKey(t *testing.T, ring *auth.Keyring, secret auth.Secret, still string, is func(fleet.Key) bool) (gone <-chan struct{}) {
	t.Helper()
	deadline := time.After(5 * time.Second)
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		if key, gone, ok := ring.Find(secret.Reveal()); ok && is(key) {
			return gone
		}
		select {
		case <-deadline:
			t.Fatal("after 5 s " + still)
		case <-poll.C:
		}
	}
}

// failing is a store that can be made to fail.
type failing struct {
	auth.Store
	broken atomic.Bool
	asked  chan struct{}
}

func (f *failing) DataVersion(ctx context.Context) (int64, error) {
	if f.broken.Load() {
		f.asked <- struct{}{}
		return 0, errors.New("disk on fire")
	}
	return f.Store.DataVersion(ctx)
}

func TestKeysStayGoodWhileTheStoreFails(t *testing.T) {
	store := &failing{Store: openState(t, t.TempDir()), asked: make(chan struct{}, 100)}
	ring := newKeyring(t, store)
	secret, _ := create(t, ring, "laptop")
	store.broken.Store(true)
	running(t, ring)
	<-store.asked
	if _, gone, ok := ring.Find(secret.Reveal()); !ok || isGone(gone) {
		t.Error("the key is gone because the store could not be read")
	}
	store.broken.Store(false)
	other := newKeyring(t, store.Store)
	late, _ := create(t, other, "late")
	appears(t, ring, late)
}

func TestKeysComeAndGoWhileTheyAreUsed(t *testing.T) {
	ring := newKeyring(t, openState(t, t.TempDir()))
	steady, _ := create(t, ring, "steady")
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			for range 10 {
				secret, key, err := ring.Create(t.Context(), string(rune('a'+i)), fleet.RoleViewer, 0)
				if err != nil {
					t.Error(err)
					return
				}
				_, gone, ok := ring.Find(secret.Reveal())
				_, _, steadyOK := ring.Find(steady.Reveal())
				if err := ring.Revoke(t.Context(), key.ID); err != nil || !ok || !steadyOK || !isGone(gone) {
					t.Errorf("found %v, steady %v, gone %v, error %v", ok, steadyOK, isGone(gone), err)
				}
			}
		})
	}
	callers.Wait()
}

func TestTheSecretIsNotStored(t *testing.T) {
	dir := t.TempDir()
	ring := newKeyring(t, openState(t, dir))
	secret, key := create(t, ring, "laptop")
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var content []byte
	for _, file := range files {
		part, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		content = append(content, part...)
	}
	sum := sha256.Sum256([]byte(secret.Reveal()))
	if !strings.Contains(string(content), string(sum[:])) || !strings.Contains(string(content), key.Hint) {
		t.Error("the hash or the hint is not where the key should be looked for")
	}
	if strings.Contains(string(content), secret.Reveal()[len(key.Hint):]) {
		t.Error("the secret stands in a file")
	}
}

func FuzzFind(f *testing.F) {
	state, err := sqlite.OpenState(f.Context(), f.TempDir(), hclog.NewNullLogger())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := state.Close(); err != nil {
			f.Error(err)
		}
	})
	ring := auth.NewKeyring(state, time.Now, hclog.NewNullLogger())
	secret, _, err := ring.Create(f.Context(), "only", fleet.RoleAdmin, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("")
	f.Add("crl_" + strings.Repeat("A", 43))
	f.Add(secret.Reveal()[:46] + "\x00")
	f.Fuzz(func(t *testing.T, text string) {
		if _, _, ok := ring.Find(text); ok != (text == secret.Reveal()) {
			t.Errorf("found is %v", ok)
		}
	})
}

func TestLookupFindsAKeyThatAnotherProcessMade(t *testing.T) {
	state := openState(t, t.TempDir())
	var clock atomic.Int64
	now := func() time.Time { return time.Unix(1_800_000_000, clock.Load()) }
	server := auth.NewKeyring(state, now, hclog.NewNullLogger())
	if err := server.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	secret, made, err := auth.NewKeyring(state, now, hclog.NewNullLogger()).Create(t.Context(), "made elsewhere", fleet.RoleViewer, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, ok := server.Find(secret.Reveal()); ok {
		t.Fatal("the key is known before anybody looked")
	}
	if key, _, ok := server.Lookup(t.Context(), secret.Reveal()); !ok || key.ID != made.ID {
		t.Fatalf("Lookup = %v, %v", key, ok)
	}
	other, _, err := auth.NewKeyring(state, now, hclog.NewNullLogger()).Create(t.Context(), "at once after", fleet.RoleViewer, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, ok := server.Lookup(t.Context(), other.Reveal()); ok {
		t.Error("the keys were read again at once: unknown keys could keep the store busy")
	}
	clock.Add(int64(time.Second))
	if _, _, ok := server.Lookup(t.Context(), other.Reveal()); !ok {
		t.Error("the key is still unknown after the interval")
	}
}
