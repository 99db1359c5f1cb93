package relay

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/corral-fleet/corral/agent/internal/ollama"
	"github.com/corral-fleet/corral/sdk/wire/exchange"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// After a request that changes which models there are, the list is read again
// at once, and after others it is not.
func TestChangesOfModelsAreSeenAtOnce(t *testing.T) {
	var lists atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/version":
			io.WriteString(w, `{"version":"0.17.4"}`)
		case "/api/tags":
			io.WriteString(w, `{"models":[{"name":"list`+string(rune('a'+lists.Add(1)))+`:latest","digest":"d"}]}`)
		case "/api/ps":
			io.WriteString(w, `{"models":[]}`)
		default:
			io.WriteString(w, `{}`)
		}
	}))
	t.Cleanup(srv.Close)
	s := supervise(t, ollama.Config{Mode: ollama.ModeAttached, URL: srv.URL, Timing: ollama.Timing{TagsEvery: time.Hour}})
	awaitReady(t, s)
	c, _ := throughWith(t, s, jobsFunc(func(_ context.Context, _ string, _ *work.Job, tell func(work.Event) error) error {
		return tell(work.Event{Done: &work.Result{}})
	}))
	listed := func(n int64) bool {
		models := s.Snapshot().Models
		return lists.Load() == n && len(models) == 1 && models[0].Name == "list"+string(rune('a'+n))+":latest"
	}
	await := func(n int64, what string) {
		t.Helper()
		for late := time.After(patience); !listed(n); {
			select {
			case <-s.Changed():
			case <-late:
				t.Fatalf("%s: the models were listed %d times, want %d: %+v", what, lists.Load(), n, s.Snapshot().Models)
			}
		}
	}
	await(1, "at the start")
	n := int64(1)
	for _, request := range []string{"POST /api/show", "POST /api/copy", "POST /api/generate", "DELETE /api/delete", "POST /api/push", "POST /api/create?x=1", "POST /api/pull", "GET /api/copy"} {
		method, path, _ := strings.Cut(request, " ")
		ask(t, c, &exchange.Request{Method: method, Target: "/ollama/default" + path})
		if changesModels(method, path) {
			n++
		}
		await(n, request)
	}
	ask(t, c, jobOf(collect))
	n++
	await(n, "a job")
	if n != 6 {
		t.Errorf("%d lists, want those of the start, copy, delete, create, pull and a job", n)
	}
}
