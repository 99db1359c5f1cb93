package demo

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/agent/internal/realollama"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// startOllama runs an Ollama without a model until the test ends and returns
// its address.
func startOllama(t *testing.T) (hostPort string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hostPort = l.Addr().String()
	l.Close()
	home := t.TempDir()
	cmd := exec.Command(realollama.Bin(t), "serve")
	cmd.Env = []string{"HOME=" + home, "OLLAMA_HOST=" + hostPort, "OLLAMA_MODELS=" + home}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt) // by which it ends its runner as well
		cmd.Wait()
	})
	for late := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		res, err := http.Get("http://" + hostPort + "/api/version")
		if err == nil {
			res.Body.Close()
			return hostPort
		}
		if time.Now().After(late) {
			t.Fatal(err)
		}
	}
}

func TestTheModelAnswers(t *testing.T) {
	hostPort := startOllama(t)
	for range 2 { // the second time everything is there already
		if err := Create(t.Context(), hostPort); err != nil {
			t.Fatal(err)
		}
	}
	res, err := http.Post("http://"+hostPort+"/api/generate", "application/json", strings.NewReader(`{"model":"`+Model+`","prompt":"Hello","stream":false}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct{ Response, Error string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(answer.Response) != tinymodel.DefaultReply {
		t.Errorf("it says %q, %s", answer.Response, answer.Error)
	}
}

func TestAnOllamaThatRefuses(t *testing.T) {
	for _, refused := range []string{"/api/blobs/", "/api/create"} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, refused) {
				http.Error(w, `{"error":"no space left on device"}`, http.StatusInternalServerError)
				return
			}
			io.Copy(io.Discard, r.Body)
		}))
		err := Create(t.Context(), srv.Listener.Addr().String())
		if err == nil || !strings.Contains(err.Error(), "status 500") || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("refused at %s: %v", refused, err)
		}
		srv.Close()
	}
}

func TestCancelling(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cancel()
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer srv.Close()
	if err := Create(ctx, srv.Listener.Addr().String()); err == nil || ctx.Err() == nil {
		t.Errorf("Create = %v", err)
	}
}
