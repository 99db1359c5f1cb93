package models

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/corral-fleet/corral/agent/internal/models/registry"
	"github.com/corral-fleet/corral/agent/internal/realollama"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// large is the file of a model of some 64 MB, made once.
var large = sync.OnceValue(func() []byte {
	var b strings.Builder
	if err := tinymodel.Write(&b, tinymodel.Options{FeedForward: 20000}); err != nil {
		panic(err)
	}
	return []byte(b.String())
})

// span reads a request's range.
func span(r *http.Request) (begin, end int) {
	_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &begin, &end)
	return begin, end + 1
}

// send begins to answer with a range and sends so much of it.
func send(w http.ResponseWriter, r *http.Request, file []byte, n int) {
	begin, end := span(r)
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", begin, end-1, len(file)))
	w.Header().Set("Content-Length", fmt.Sprint(end-begin))
	w.WriteHeader(http.StatusPartialContent)
	_, _ = w.Write(file[begin:min(begin+n, end)])
	_ = http.NewResponseController(w).Flush()
}

// unoffered fails where a model is listed, under whatever name.
func unoffered(t *testing.T, e *Executor) {
	t.Helper()
	models, err := e.ollama.Models(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(models) > 0 {
		t.Errorf("Ollama offers %+v", models)
	}
}

func TestASourceThatBreaksOffAgainAndAgain(t *testing.T) {
	t.Parallel()
	s := realollama.Serve(t, realollama.Bin(t))
	file := large()
	o := newOrigin(t, map[string][]byte{"m": file})
	o.set(func(w http.ResponseWriter, r *http.Request, file []byte) bool {
		send(w, r, file, 5_000_000)
		panic(http.ErrAbortHandler)
	})
	e := executor(t, s)
	if _, err := e.Run(t.Context(), plain("tiny", file, o.URL+"/m")); err != nil {
		t.Fatal(err)
	}
	if n := o.requests.Load(); n < 12 {
		t.Errorf("it took %d requests", n)
	}
	if n := o.bytes.Load(); n > int64(len(file))+6_000_000 {
		t.Errorf("%d bytes were sent of a file of %d", n, len(file))
	}
	if said := ask(t, s, "tiny"); said != tinymodel.DefaultReply {
		t.Errorf("it says %q", said)
	}
}

func TestASourceThatFailsForGood(t *testing.T) {
	t.Parallel()
	file := large()
	for _, test := range []struct {
		name  string
		fault func(w http.ResponseWriter, r *http.Request, file []byte) bool
		kind  fault.Kind
		side  fault.Side
	}{
		{"gone in the midst", func(w http.ResponseWriter, r *http.Request, file []byte) bool {
			if begin, _ := span(r); begin > 0 {
				http.NotFound(w, r)
				return true
			}
			send(w, r, file, 5_000_000)
			panic(http.ErrAbortHandler)
		}, fault.NotFound, fault.Service},
		{"stands still", func(w http.ResponseWriter, r *http.Request, file []byte) bool {
			if begin, _ := span(r); begin == 0 {
				send(w, r, file, 1_000_000)
			}
			<-r.Context().Done()
			return true
		}, fault.Unavailable, fault.Host},
		{"lies", func(w http.ResponseWriter, r *http.Request, file []byte) bool {
			begin, end := span(r)
			lie := make([]byte, len(file))
			copy(lie, file[:1000])
			send(w, r, lie, end-begin)
			return true
		}, fault.Corrupt, fault.Service},
		{"has another size", func(w http.ResponseWriter, r *http.Request, file []byte) bool {
			send(w, r, file[:len(file)-1], 10)
			return true
		}, fault.Corrupt, fault.Service},
		{"changes", func() func(w http.ResponseWriter, r *http.Request, file []byte) bool {
			var n atomic.Int64
			return func(w http.ResponseWriter, r *http.Request, file []byte) bool {
				w.Header().Set("Etag", fmt.Sprintf(`"%d"`, n.Add(1)))
				send(w, r, file, 1_000_000)
				panic(http.ErrAbortHandler)
			}
		}(), fault.Corrupt, fault.Service},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := realollama.Serve(t, realollama.Bin(t))
			o := newOrigin(t, map[string][]byte{"m": file})
			o.set(test.fault)
			e := executor(t, s)
			began := time.Now()
			_, err := e.Run(t.Context(), plain("tiny", file, o.URL+"/m?ticket=hidden"))
			if fault.KindOf(err) != test.kind || fault.SideOf(err) != test.side {
				t.Errorf("%v, which is %v of %v", err, fault.KindOf(err), fault.SideOf(err))
			}
			if err != nil && strings.Contains(err.Error(), "hidden") {
				t.Errorf("it tells the address: %v", err)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
			unoffered(t, e)
			// What went wrong doesn't stay.
			o.set(nil)
			if _, err := e.Run(t.Context(), plain("tiny", file, o.URL+"/m")); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// TestCancellingKeepsWhatWasFetched cancels, ends Ollama too, and lets it go on where it was.
func TestCancellingKeepsWhatWasFetched(t *testing.T) {
	t.Parallel()
	s := realollama.Serve(t, realollama.Bin(t))
	file := large()
	o := newOrigin(t, map[string][]byte{"m": file})
	half := make(chan struct{})
	o.set(func(w http.ResponseWriter, r *http.Request, file []byte) bool {
		send(w, r, file, len(file)/2)
		close(half)
		<-r.Context().Done()
		return true
	})
	e := executor(t, s)
	e.timing.Stall = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-half
		for e.progress.Now().DoneBytes < int64(len(file)/2)-1_000_000 {
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
	}()
	if _, err := e.Run(ctx, plain("tiny", file, o.URL+"/m")); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	unoffered(t, e)
	note := filepath.Join(s.ModelsDir, "blobs", "sha256-"+shaOf(file)+"-partial-0")
	for noted := (struct{ Completed int64 }{}); noted.Completed == 0; time.Sleep(10 * time.Millisecond) {
		if text, err := os.ReadFile(note); err != nil {
			t.Fatal(err)
		} else if json.Unmarshal(text, &noted) != nil {
			continue // it is being written
		}
	}
	s.Kill()
	s.Restart()
	o.set(nil)
	before := o.bytes.Load()
	if _, err := e.Run(t.Context(), plain("tiny", file, o.URL+"/m")); err != nil {
		t.Fatal(err)
	}
	if n := o.bytes.Load() - before; n > int64(len(file))*6/10 {
		t.Errorf("%d bytes were sent once more of a file of %d", n, len(file))
	}
}

// TestOllamaWasKilledWhileItNotedHowFarItIs has an Ollama find what one leaves that is
// killed between emptying a note and writing it.
func TestOllamaWasKilledWhileItNotedHowFarItIs(t *testing.T) {
	t.Parallel()
	s := realollama.Serve(t, realollama.Bin(t))
	file := large()
	partial := filepath.Join(s.ModelsDir, "blobs", "sha256-"+shaOf(file)+"-partial")
	if err := os.MkdirAll(filepath.Dir(partial), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{partial: file[:len(file)/2], partial + "-0": nil} {
		if err := os.WriteFile(name, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	o := newOrigin(t, map[string][]byte{"m": file})
	got, err := executor(t, s).Run(t.Context(), plain("tiny", file, o.URL+"/m"))
	if err != nil || got.Path != wayPull {
		t.Fatalf("%+v, %v", got, err)
	}
	if left, err := filepath.Glob(partial + "*"); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestOllamaIsKilledInTheMidst(t *testing.T) {
	t.Parallel()
	s := realollama.Serve(t, realollama.Bin(t))
	file := large()
	o := newOrigin(t, map[string][]byte{"m": file})
	var once sync.Once
	half := make(chan struct{})
	o.set(func(w http.ResponseWriter, r *http.Request, file []byte) bool {
		send(w, r, file, len(file)/2)
		once.Do(func() { close(half) })
		<-r.Context().Done()
		return true
	})
	e := executor(t, s)
	e.timing.Stall = time.Minute
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		<-half
		s.Kill()
	}()
	_, err := e.Run(t.Context(), plain("tiny", file, o.URL+"/m"))
	<-killed
	if fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Ollama {
		t.Errorf("%v, which is %v of %v", err, fault.KindOf(err), fault.SideOf(err))
	}
	s.Restart()
	unoffered(t, e)
	o.set(nil)
	if _, err := e.Run(t.Context(), plain("tiny", file, o.URL+"/m")); err != nil {
		t.Fatal(err)
	}
	models, err := e.ollama.Models(t.Context())
	if err != nil || len(models) != 1 || registry.Passing(models[0].Name) {
		t.Errorf("Ollama lists %+v, %v", models, err)
	}
}
