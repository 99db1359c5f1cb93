package plugins

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/agent/internal/models/fetch"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/plugin"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/memory"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// playsPlugin is the variable by which the test program is a plugin.
const playsPlugin = "CORRAL_TEST_PLUGIN"

const size = 3_000_000

func TestMain(m *testing.M) {
	if os.Getenv(playsPlugin) != "" {
		os.Exit(plugin.Main(plugin.About{Name: "memory", Version: "0.1.0", Summary: "Has one file."}, plugin.Storage(open)))
	}
	os.Exit(m.Run())
}

// Settings are those of the plugin.
type Settings struct {
	Dies     string        `yaml:"dies" help:"a file that is there while the plugin is to be killed in the midst of an object"`
	Changes  bool          `yaml:"changes" help:"the object is another one each time"`
	Password config.Secret `yaml:"password" help:"has to be right"`
}

// SetDefaults implements what the configuration is read with.
func (s *Settings) SetDefaults() {}

func open(ctx context.Context, s Settings) (storage.Backend, error) {
	if p := s.Password.Reveal(); p != "right-password" {
		return nil, fault.New(fault.Unauthenticated, "the service does not take %q", p).On(fault.Service)
	}
	b := memory.New(1 << 30)
	err := b.Put(ctx, "models/m.gguf", storage.Bytes(content()))
	return &backend{Backend: b, settings: s}, err
}

// content is what the object has.
func content() []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i * i >> 7)
	}
	return b
}

type backend struct {
	*memory.Backend
	settings Settings
	looks    atomic.Int64
}

func (b *backend) Stat(ctx context.Context, key string) (storage.Info, error) {
	info, err := b.Backend.Stat(ctx, key)
	if b.settings.Changes {
		info.Version = strings.Repeat("x", int(b.looks.Add(1)))
	}
	return info, err
}

func (b *backend) Get(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
	body, err := b.Backend.Get(ctx, key, r)
	if _, statErr := os.Stat(b.settings.Dies); err != nil || statErr != nil {
		return body, err
	}
	return &dying{body, b.settings.Dies, 0}, nil
}

// dying kills the process after a third of the object, and takes the file away that
// wants that.
type dying struct {
	io.ReadCloser
	flag string
	read int
}

func (d *dying) Read(p []byte) (int, error) {
	if d.read > size/3 {
		_ = os.Remove(d.flag)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	n, err := d.ReadCloser.Read(p)
	d.read += n
	return n, err
}

// rig is a control plane that has the program, and plugins that get it from there.
type rig struct {
	*Plugins
	dir     string
	client  *fetch.Client
	of      work.Plugin
	fetched atomic.Int64
	program []byte // that the control plane has
}

func newRig(t *testing.T) *rig {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{dir: filepath.Join(t.TempDir(), "plugins")}
	if r.program, err = os.ReadFile(self); err != nil {
		t.Fatal(err)
	}
	sum, err := host.Digest(self)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.fetched.Add(1)
		http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(r.program))
	}))
	t.Cleanup(server.Close)
	if r.client, err = fetch.New(fetch.Options{Timing: fetch.Timing{Patience: 3 * time.Second, Pause: time.Millisecond}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.client.Close)
	r.of = work.Plugin{
		Name: "memory", SHA256: sum, SizeBytes: int64(len(r.program)), URLs: []string{server.URL},
		Config: []byte(`{}`), Secrets: map[string]string{"password": "right-password"}, Key: "models/m.gguf",
	}
	r.Plugins = New(r.dir, []string{playsPlugin + "=1", "GORACE=atexit_sleep_ms=0"}, r.client, hclog.NewNullLogger())
	t.Cleanup(r.Close)
	return r
}

// file is the object as a job's file.
func (r *rig) file(t *testing.T, of work.Plugin, sizeBytes int64) *fetch.File {
	t.Helper()
	f, err := r.client.File("m.gguf", work.Source{SizeBytes: sizeBytes}, r.File(&of, sizeBytes))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func read(t *testing.T, f *fetch.File, offset, length int64) ([]byte, error) {
	t.Helper()
	body, err := f.Open(t.Context(), offset, length)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}

func TestAFileThroughAPlugin(t *testing.T) {
	r := newRig(t)
	f := r.file(t, r.of, size)
	for _, span := range [][2]int64{{0, size}, {100, 2_000_000}, {size - 1, 1}} {
		got, err := read(t, f, span[0], span[1])
		if err != nil || !bytes.Equal(got, content()[span[0]:span[0]+span[1]]) {
			t.Errorf("%v: %d bytes, %v", span, len(got), err)
		}
	}
	other := New(r.dir, []string{playsPlugin + "=1", "GORACE=atexit_sleep_ms=0"}, r.client, hclog.NewNullLogger())
	t.Cleanup(other.Close)
	if n := len(r.running); n != 1 {
		t.Errorf("%d plugins run for one configuration", n)
	}
	again := r.of
	again.URLs = []string{"http://127.0.0.1:1/"}
	f, err := r.client.File("m.gguf", work.Source{SizeBytes: size}, other.File(&again, size))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read(t, f, 0, 10); err != nil || r.fetched.Load() != 1 {
		t.Errorf("by a later worker: %v, and the program was fetched %d times", err, r.fetched.Load())
	}
}

func TestAPluginThatIsKilledInTheMidst(t *testing.T) {
	r := newRig(t)
	flag := filepath.Join(t.TempDir(), "dies")
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	of := r.of
	of.Config = []byte(`{"dies":"` + flag + `"}`)
	got, err := read(t, r.file(t, of, size), 0, size)
	if err != nil || !bytes.Equal(got, content()) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := os.Stat(flag); err == nil {
		t.Error("it was not killed")
	}
}

func TestWhatIsNotRun(t *testing.T) {
	for name, test := range map[string]struct {
		change func(r *rig)
		kind   fault.Kind
	}{
		"another program": {func(r *rig) { r.program = bytes.Replace(r.program, []byte("ELF"), []byte("elf"), 1) }, fault.Corrupt},
		"no digest":       {func(r *rig) { r.of.SHA256 = "../../bin/sh" }, fault.Invalid},
		"no size":         {func(r *rig) { r.of.SizeBytes = 0 }, fault.Invalid},
		"nowhere":         {func(r *rig) { r.of.URLs = nil }, fault.NotFound},
		"changed on the disk": {func(r *rig) {
			if _, err := read(t, r.file(t, r.of, size), 0, 1); err != nil {
				t.Fatal(err)
			}
			r.Close()
			path := filepath.Join(r.dir, programPrefix+r.of.SHA256)
			if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, fault.Forbidden},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			test.change(r)
			if _, err := read(t, r.file(t, r.of, size), 0, size); fault.KindOf(err) != test.kind {
				t.Errorf("%v, which is %v and not %v", err, fault.KindOf(err), test.kind)
			}
			if left, _ := filepath.Glob(filepath.Join(r.dir, "*")); len(left) != 0 {
				t.Errorf("there are %v", left)
			}
		})
	}
}

func TestWhatThePluginSays(t *testing.T) {
	r := newRig(t)
	wrong := r.of
	wrong.Secrets = map[string]string{"password": "wrong-password"}
	_, err := read(t, r.file(t, wrong, size), 0, size)
	if fault.KindOf(err) != fault.Unauthenticated || strings.Contains(err.Error(), "wrong-password") || !strings.Contains(err.Error(), "[redacted]") {
		t.Errorf("a wrong password: %v", err)
	}
	missing := r.of
	missing.Key = "none"
	if _, err := read(t, r.file(t, missing, size), 0, size); fault.KindOf(err) != fault.NotFound {
		t.Errorf("no object: %v", err)
	}
	if _, err := read(t, r.file(t, r.of, size+1), 0, size); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("another size: %v", err)
	}
	changing := r.of
	changing.Config = []byte(`{"changes":true}`)
	f := r.file(t, changing, size)
	if _, err := read(t, f, 0, 10); err != nil {
		t.Error(err)
	}
	if _, err := read(t, f, 10, 10); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("another version: %v", err)
	}
}

func TestProgramsThatNobodyUsesGo(t *testing.T) {
	r := newRig(t)
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	ages := map[string]time.Duration{
		programPrefix + "old": unusedFor + time.Hour, programPrefix + "young": 2 * brokenOffFor,
		fetchingPrefix + "old": 2 * brokenOffFor, fetchingPrefix + "young": 0,
	}
	for name, age := range ages {
		path, at := filepath.Join(r.dir, name), time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(path, nil, 0o700), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := read(t, r.file(t, r.of, size), 0, 1); err != nil {
		t.Fatal(err)
	}
	for name := range ages {
		_, err := os.Stat(filepath.Join(r.dir, name))
		if gone := errors.Is(err, os.ErrNotExist); gone != strings.HasSuffix(name, "old") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
