package plugins

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/host/trust"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/storagetest"
)

// TestContract has the whole contract hold of an instance.
func TestContract(t *testing.T) {
	h := newHost(t)
	h.trust("memory", "0.1.0")
	h.run()
	storagetest.Run(t, func(t *testing.T) storage.Backend {
		i := h.storage("memory", nil)
		if err := i.Opened(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := i.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		return i
	})
}

func TestAnInstanceOutlivesItsProcesses(t *testing.T) {
	h := newHost(t)
	h.trust("memory", "0.1.0")
	h.run()
	i := h.storage("memory", map[string]string{"password": "canary-1234"}, t.TempDir())
	// Its process ends under the first call, which is made again.
	if _, err := i.Stat(t.Context(), "exit once"); err != nil {
		t.Fatal(err)
	}
	h.await("it has been started again", func() bool { s := h.status("memory"); return s.State == Ready && s.Restarts == 1 })
	s := h.status("memory")
	if s.LastExit == nil || s.LastExit.How != "exit status 7" || s.LastExit.Clean || s.PID == 0 || s.Version != "0.1.0" || s.Publisher != "Test" {
		t.Errorf("%+v", s)
	}
	if s.Metrics.RSSBytes < 1<<20 || s.Metrics.CPUTime <= 0 {
		t.Errorf("it uses %d bytes and %v", s.Metrics.RSSBytes, s.Metrics.CPUTime)
	}
	// And under each of these, so that the caller hears of it.
	_, err := i.Stat(t.Context(), "exit")
	if fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Plugin || !strings.Contains(err.Error(), "exit status 7") ||
		!strings.Contains(err.Error(), "the last word with [redacted]") {
		t.Errorf("%v", err)
	}
	h.await("it has been started again", func() bool { return h.status("memory").State == Ready })
	if err := i.Check(t.Context()); err != nil {
		t.Error(err)
	}
	for name, text := range map[string]string{"the log": h.log.String(), "the status": fmt.Sprintf("%+v", *h.status("memory").LastExit)} {
		if strings.Contains(text, "canary-1234") {
			t.Errorf("%s has a secret", name)
		}
	}
	if _, err := i.Stat(t.Context(), "tell"); fault.SideOf(err) != fault.Service || fault.MessageOf(err) != "no luck with [redacted]" {
		t.Errorf("%v", err)
	}
}

// Each upload's process is killed under it once.
func TestUploadsGoThroughWhileThePluginIsKilled(t *testing.T) {
	h := newHost(t)
	h.config.MaxExits = 2 // being killed is no failure
	h.trust("memory", "0.1.0")
	h.run()
	i := h.storage("memory", nil)
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	const uploads = 8
	for n := range uploads {
		src := killing{storage.Bytes(content), func() {
			if s := h.status("memory"); s.Restarts == n {
				_ = syscall.Kill(s.PID, syscall.SIGKILL)
			}
		}}
		if err := i.Put(t.Context(), fmt.Sprint(n), src); err != nil {
			t.Fatal(err)
		}
		// It keeps its objects in memory.
		if info, err := i.Stat(t.Context(), fmt.Sprint(n)); err != nil || info.SizeBytes != int64(len(content)) {
			t.Errorf("%+v, %v", info, err)
		}
	}
	if s := h.status("memory"); s.Restarts != uploads || !s.LastExit.Killed || s.LastExit.OutOfMemory {
		t.Errorf("%d restarts, %+v", s.Restarts, s.LastExit)
	}
}

// file returns a source of a file that has content.
func file(t testing.TB, content []byte) storage.Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	src, err := storage.File(path)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func TestAFileIsGivenToThePluginAsItIs(t *testing.T) {
	h := newHost(t)
	h.trust("memory", "0.1.0")
	h.run()
	i := h.storage("memory", nil, t.TempDir())
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<17)
	if err := i.Put(t.Context(), "file", storage.Bytes(content)); fault.KindOf(err) != fault.Invalid {
		t.Fatalf("bytes are not told apart: %v", err)
	}
	before := h.status("memory").Metrics.BytesSent
	if err := i.Put(t.Context(), "file", file(t, content)); err != nil {
		t.Fatal(err)
	}
	if sent := h.status("memory").Metrics.BytesSent - before; sent != int64(len(content)) {
		t.Errorf("%d bytes are counted, want %d", sent, len(content))
	}
	if err := i.Put(t.Context(), "file killed once", file(t, content)); err != nil {
		t.Fatal(err)
	}
	if s := h.status("memory"); s.Restarts != 1 || !s.LastExit.Killed {
		t.Errorf("%d restarts, %+v", s.Restarts, s.LastExit)
	}
	in, err := i.Get(t.Context(), "file killed once", storage.Range{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes are stored of %d, %v", len(got), len(content), err)
	}
}

// BenchmarkUpload is what an upload costs in this process and the plugin's, whose
// backend only reads it.
func BenchmarkUpload(b *testing.B) {
	h := newHost(b)
	h.trust("memory", "0.1.0")
	h.run()
	i := h.storage("memory", nil)
	content := make([]byte, 256<<20)
	for name, src := range map[string]storage.Source{"file": file(b, content), "bytes": storage.Bytes(content)} {
		b.Run(name, func(b *testing.B) {
			used := func() time.Duration {
				var ours syscall.Rusage
				if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ours); err != nil {
					b.Fatal(err)
				}
				return time.Duration(ours.Utime.Nano()+ours.Stime.Nano()) + h.status("memory").Metrics.CPUTime
			}
			b.SetBytes(src.SizeBytes())
			if err := i.Put(b.Context(), "nowhere", src); err != nil {
				b.Fatal(err)
			}
			before := used()
			for b.Loop() {
				if err := i.Put(b.Context(), "nowhere", src); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(used()-before)/(float64(src.SizeBytes())*float64(b.N)), "cpu-s/GB")
		})
	}
}

// killing is a source that does something when half of it was read.
type killing struct {
	storage.Source
	kill func()
}

func (k killing) Open() (io.ReadCloser, error) {
	in, err := k.Source.Open()
	return &killingReader{in, k.SizeBytes() / 2, k.kill}, err
}

type killingReader struct {
	io.ReadCloser
	left int64
	kill func()
}

func (k *killingReader) Read(p []byte) (int, error) {
	if k.left <= 0 && k.kill != nil {
		k.kill()
		k.kill = nil
	}
	n, err := k.ReadCloser.Read(p[:min(len(p), 64<<10)])
	k.left -= int64(n)
	return n, err
}

func TestWhatIsNotTrustedIsNotRun(t *testing.T) {
	h := newHost(t)
	path := h.put("memory", "0.1.0")
	ran := filepath.Join(t.TempDir(), "ran")
	script := filepath.Join(h.dir, trust.Prefix+"x")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ntouch "+ran+"\n"), 0o755); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	if err := os.Symlink("/bin/sh", filepath.Join(h.dir, trust.Prefix+"link")); err != nil {
		t.Fatal(err)
	}
	h.run()
	h.await("it was found", func() bool { return len(h.Plugins()) == 3 })
	for _, s := range h.Plugins() {
		if s.State != Disabled || s.Reason == "" || s.ID != (ID{}) || s.File != filepath.Join(h.dir, trust.Prefix+"link") && s.Trust != "trust "+s.File {
			t.Errorf("%+v", s)
		}
	}
	if _, err := os.Stat(ran); !errors.Is(err, os.ErrNotExist) {
		t.Error("it was run")
	}
	_, err := h.Check(t.Context(), Storage("memory"), host.Configuration{}, false)
	if fault.KindOf(err) != fault.NotFound {
		t.Errorf("%v", err)
	}
	i := h.storage("memory", nil)
	began := time.Now()
	if _, err := i.Stat(t.Context(), "k"); fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Plugin || time.Since(began) > statTimeout/2 {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	// The command does what it says.
	if _, err := trust.TrustFile(t.Context(), filepath.Join(h.dir, trust.LockName), path); err != nil {
		t.Fatal(err)
	}
	if err := h.Rescan(); err != nil {
		t.Fatal(err)
	}
	h.await("the storage is ready", func() bool { return i.Status().State == Ready })
	if description, err := h.Describe(t.Context(), Storage("memory")); err != nil || !bytes.Contains(description, []byte(`"config_schema"`)) {
		t.Errorf("%s, %v", description, err)
	}
	faults, err := h.Check(t.Context(), Storage("memory"), host.Configuration{JSON: []byte(`{"no_such": 1}`)}, false)
	if err != nil || len(faults) != 1 || faults[0].Field != "no_such" {
		t.Errorf("%v, %v", faults, err)
	}
	_, err = h.Check(t.Context(), Storage("memory"), host.Configuration{Secrets: map[string]string{"password": "wrong"}}, true)
	if fault.KindOf(err) != fault.Unauthenticated || fault.SideOf(err) != fault.Service {
		t.Errorf("%v", err)
	}
	// Nor is it run any more once it is not trusted any more.
	pid := h.status("memory").PID
	if err := os.Remove(filepath.Join(h.dir, trust.LockName)); err != nil {
		t.Fatal(err)
	}
	if err := h.Rescan(); err != nil {
		t.Fatal(err)
	}
	h.await("its process has ended", func() bool { return syscall.Kill(pid, 0) != nil })
	if s := h.status("memory"); s.State != Disabled || i.Status().State != Disabled {
		t.Errorf("%+v", s)
	}
}

func TestADamagedLockIsAStateAndNoRefusal(t *testing.T) {
	h := newHost(t)
	h.trust("memory", "0.1.0")
	lock := filepath.Join(h.dir, trust.LockName)
	good, err := os.ReadFile(lock)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lock, good[:len(good)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	h.run()
	h.await("it was found", func() bool { return len(h.Plugins()) == 1 })
	if err := h.Found(); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("%v", err)
	}
	if s := h.Plugins()[0]; s.State != Disabled || s.Trust == "" {
		t.Errorf("%+v", s)
	}
	if err := os.WriteFile(lock, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.Rescan(); err != nil {
		t.Fatal(err)
	}
	h.await("it runs", func() bool { return h.status("memory").State == Ready })
}

func TestUpgradeAndBack(t *testing.T) {
	h := newHost(t)
	h.trust("memory", "0.1.0")
	h.run()
	i := h.storage("memory", nil)
	if err := i.Opened(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.Rollback(Storage("memory")); fault.KindOf(err) != fault.Conflict {
		t.Errorf("%v", err)
	}
	upgrade := func(version, reached string) {
		t.Helper()
		h.trust("memory", version)
		if err := h.Rescan(); err != nil {
			t.Fatal(err)
		}
		h.await(reached, func() bool {
			s := h.status("memory")
			return s.Version == reached && (version == reached || s.State == Degraded)
		})
		if err := i.Check(t.Context()); err != nil {
			t.Error(err)
		}
	}
	upgrade("0.2.0", "0.2.0")
	upgrade("9.0.0", "0.2.0")
	if s := h.status("memory"); !strings.Contains(s.Reason, "9.0.0") || s.Side != fault.Plugin {
		t.Errorf("%+v", s)
	}
	upgrade("0.3.0", "0.3.0")
	// The program before was replaced on disk, and is gone back to nevertheless.
	if err := h.Rollback(Storage("memory")); err != nil {
		t.Fatal(err)
	}
	h.await("it is back", func() bool { return h.status("memory").Version == "0.2.0" })
	if err := h.Rescan(); err != nil {
		t.Fatal(err)
	}
	if err := i.Put(t.Context(), "k", storage.Bytes([]byte("x"))); err != nil {
		t.Error(err)
	}
	in, err := i.Get(t.Context(), "k", storage.Range{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(in); err != nil || string(got) != "x" {
		t.Errorf("%q, %v", got, err)
	}
	in.Close()
	if s := h.status("memory"); s.Version != "0.2.0" || s.Previous != "0.3.0" || s.State != Ready {
		t.Errorf("%+v", s)
	}
}

func TestAServiceThatGoesAwayIsSeen(t *testing.T) {
	h := newHost(t)
	h.trust("memory", "0.1.0")
	h.run()
	dir := t.TempDir()
	i := h.storage("memory", nil, dir)
	h.await("it is ready", func() bool { return i.Status().State == Ready })
	away := filepath.Join(dir, "away")
	if err := os.Mkdir(away, 0o700); err != nil {
		t.Fatal(err)
	}
	h.await("it is degraded", func() bool {
		s := i.Status()
		return s.State == Degraded && s.Reason == "the service is away" && s.Side == fault.Service
	})
	if err := os.Remove(away); err != nil {
		t.Fatal(err)
	}
	h.await("it is ready again", func() bool { return i.Status().State == Ready })
}

func TestAPluginThatIsDisabledIsNotRun(t *testing.T) {
	h := newHost(t)
	h.trust("memory", "0.1.0")
	h.config.Disabled = []ID{Storage("memory")}
	h.run()
	h.await("it was found", func() bool { return len(h.Plugins()) == 1 })
	if s := h.status("memory"); s.State != Disabled || s.PID != 0 || s.Version != "0.1.0" {
		t.Errorf("%+v", s)
	}
}

func TestNothingIsLeftWhenTheManagerEnds(t *testing.T) {
	h := newHost(t)
	h.trust("memory", "0.1.0")
	left := filepath.Join(h.config.RunDir, "plugin-dir1234") // of a host that was killed
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	h.run()
	i := h.storage("memory", nil)
	if err := i.Opened(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Error("what was left before is still there")
	}
	pid := h.status("memory").PID
	h.stop()
	if err := syscall.Kill(pid, 0); err == nil {
		t.Error("its process is left")
	}
	if s := h.status("memory"); s.PID != 0 {
		t.Errorf("%+v", s)
	}
	if _, err := i.Stat(t.Context(), "k"); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
}

// Whoever names a plugin that there is not is told those of the kind that there are.
func TestAPluginThatThereIsNotSaysWhichThereAre(t *testing.T) {
	h := newHost(t)
	h.trust("memory", "0.1.0")
	before := h.Storage(Setup{Plugin: Storage("memroy"), Name: "before"}) // before anybody has looked
	h.run()
	const want = "there is no program of storage/memroy that is trusted; of this kind there are memory"
	h.await("it is found that there is none", func() bool { return before.Status().Reason == want })
	if s := h.Storage(Setup{Plugin: Storage("memroy"), Name: "after"}).Status(); s.State != Disabled || s.Reason != want {
		t.Errorf("it is %+v", s)
	}
	if s := h.Loader(Setup{Plugin: Loader("memory"), Name: "of another kind"}).Status(); s.Reason != "there is no program of loader/memory that is trusted" {
		t.Errorf("of another kind it is %+v", s)
	}
	if got := h.Names("storage"); !slices.Equal(got, []string{"memory"}) {
		t.Errorf("there are %q", got)
	}
	if err := os.Remove(filepath.Join(h.dir, trust.LockName)); err != nil {
		t.Fatal(err)
	}
	if err := h.Rescan(); err != nil {
		t.Fatal(err)
	}
	if s := before.Status(); s.Reason != "there is no program of storage/memroy that is trusted" || len(h.Names("storage")) != 0 {
		t.Errorf("where there is none it is %+v, and there are %q", s, h.Names("storage"))
	}
}
