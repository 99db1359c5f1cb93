package models

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/corral-fleet/corral/agent/internal/models/api"
	"github.com/corral-fleet/corral/agent/internal/models/store"
	"github.com/corral-fleet/corral/agent/internal/realollama"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// during calls do once, as soon as the executor is where it is said to be. The function
// returned waits for that.
func during(e *Executor, is func(work.Event) bool, do func()) (wait func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !is(e.progress.Now()) {
			time.Sleep(time.Millisecond)
		}
		do()
	}()
	return func() { <-done }
}

// swept returns the blobs that are there after what nobody refers to has been collected,
// a day later.
func swept(t *testing.T, s *realollama.Server) []string {
	t.Helper()
	if _, err := store.New(s.ModelsDir, "").Collect(time.Now().Add(25 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	return s.Blobs()
}

// TestOllamaIsKilledOnEachWay kills an Ollama while it creates a model, and while a file is
// placed in its folder.
func TestOllamaIsKilledOnEachWay(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		job  func(t *testing.T, s *realollama.Server, file []byte, url string) *work.Job
		when func(work.Event) bool
		way  string
	}{
		{"while it creates", func(_ *testing.T, _ *realollama.Server, file []byte, url string) *work.Job {
			job := plain("tiny", file, url)
			job.Recipe.Quantize = "q8_0"
			return job
		}, func(e work.Event) bool { return e.Phase == work.Importing && e.Message != "" }, wayCreate},
		{"while a file is placed", func(t *testing.T, s *realollama.Server, file []byte, url string) *work.Job {
			t.Helper()
			job := plain("tiny", file, url)
			job.Sources["model.gguf"] = work.Source{SizeBytes: int64(len(file)), SHA256: shaOf(file), Path: onDisk(t, s, file)}
			return job
		}, func(e work.Event) bool { return e.Phase == work.Importing && e.DoneBytes > 0 }, wayPull},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := realollama.Serve(t, realollama.Bin(t))
			file := large()
			o := newOrigin(t, map[string][]byte{"m": file})
			e := executor(t, s)
			job := test.job(t, s, file, o.URL+"/m")
			killed := during(e, test.when, s.Kill)
			_, err := e.Run(t.Context(), job)
			killed()
			if fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Ollama {
				t.Errorf("%v, which is %v of %v", err, fault.KindOf(err), fault.SideOf(err))
			}
			if test.way == wayCreate && !errors.Is(err, api.ErrBroke) {
				t.Errorf("it doesn't say that Ollama broke off at it: %v", err)
			}
			s.Restart()
			unoffered(t, e)
			again := New(e.host, nil, &Progress{}, e.log) // as another worker
			t.Cleanup(again.Close)
			if _, err := again.Run(t.Context(), job); err != nil {
				t.Fatal(err)
			}
			if said := ask(t, s, "tiny"); said != tinymodel.DefaultReply {
				t.Errorf("it says %q", said)
			}
			models, err := again.ollama.Models(t.Context())
			if err != nil || len(models) != 1 {
				t.Errorf("Ollama lists %+v, %v", models, err)
			}
			left := swept(t, s)
			if test.way == wayCreate && slices.Contains(left, "sha256-"+shaOf(file)) {
				t.Errorf("what it was made of is left: %v", left)
			}
			if _, err := again.Run(t.Context(), &work.Job{Kind: work.Remove, Model: "tiny"}); err != nil {
				t.Fatal(err)
			}
			if left := s.Blobs(); len(left) > 0 {
				t.Errorf("without any model there are %v", left)
			}
		})
	}
}

// fill leaves so many bytes of a disk, and returns what gives the rest back.
func fill(t *testing.T, disk string, leaveBytes int64) (empty func()) {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(disk, &st); err != nil {
		t.Error(err)
		return func() {}
	}
	other := filepath.Join(disk, "other")
	if err := os.WriteFile(other, make([]byte, max(0, int64(st.Bavail)*st.Bsize-leaveBytes)), 0o600); err != nil {
		t.Error(err)
	}
	return func() {
		if err := os.Remove(other); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	}
}

// TestADiskThatFillsUpOnEachWay fills the disk of an Ollama while a file is uploaded to it,
// while it creates, and before a file is copied there.
func TestADiskThatFillsUpOnEachWay(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s *realollama.Server, e *Executor, disk string, file []byte) (job *work.Job, empty func(), err error)
	}{
		{"while it is uploaded", func(t *testing.T, _ *realollama.Server, e *Executor, disk string, file []byte) (*work.Job, func(), error) {
			t.Helper()
			o := newOrigin(t, map[string][]byte{"m": file})
			var once sync.Once
			empty := make(chan func(), 1)
			o.set(func(http.ResponseWriter, *http.Request, []byte) bool {
				once.Do(func() { empty <- fill(t, disk, 20<<20) })
				return false
			})
			job := plain("tiny", file, o.URL+"/m")
			job.Recipe.Quantize = "q8_0"
			_, err := e.Run(t.Context(), job)
			return job, <-empty, err
		}},
		{"while it is created", func(t *testing.T, s *realollama.Server, e *Executor, disk string, file []byte) (*work.Job, func(), error) {
			t.Helper()
			o := newOrigin(t, map[string][]byte{"m": file})
			job := plain("tiny", file, o.URL+"/m")
			job.Recipe.Quantize = "q8_0"
			var empty func()
			host := e.host
			host.Ollama = unable(t, s, func(_ http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/api/create" && empty == nil {
					empty = fill(t, disk, 8<<20)
				}
				return false
			})
			through := New(host, nil, &Progress{}, e.log)
			defer through.Close()
			_, err := through.Run(t.Context(), job)
			return job, empty, err
		}},
		{"before it is copied", func(t *testing.T, _ *realollama.Server, e *Executor, disk string, file []byte) (*work.Job, func(), error) {
			t.Helper()
			path := filepath.Join(disk, "upload.gguf")
			if err := os.WriteFile(path, file, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, 0o666); err != nil { // so that anybody can change it, and it is not linked
				t.Fatal(err)
			}
			job := plain("tiny", file)
			job.Sources["model.gguf"] = work.Source{SizeBytes: int64(len(file)), SHA256: shaOf(file), Path: path}
			empty := fill(t, disk, 20<<20)
			_, err := e.Run(t.Context(), job)
			return job, empty, err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			disk := smallDisk(t, "size=200m")
			s := realollama.Serve(t, realollama.Bin(t), "OLLAMA_MODELS="+filepath.Join(disk, "models"))
			e := executor(t, s)
			job, empty, err := test.run(t, s, e, disk, large())
			if fault.KindOf(err) != fault.NoSpace || fault.SideOf(err) != fault.Host || !strings.Contains(fault.MessageOf(err), "disk") {
				t.Errorf("it ended with %v of %v", err, fault.SideOf(err))
			}
			unoffered(t, e)
			empty()
			if _, err := e.Run(t.Context(), job); err != nil {
				t.Fatal(err)
			}
			if said := ask(t, s, "tiny"); said != tinymodel.DefaultReply {
				t.Errorf("it says %q", said)
			}
			if _, err := e.Run(t.Context(), &work.Job{Kind: work.Remove, Model: "tiny"}); err != nil {
				t.Fatal(err)
			}
			if left := swept(t, s); len(left) > 0 {
				t.Errorf("without any model there are %v", left)
			}
		})
	}
}
