package e2e

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// forgetful passes requests on to a server, and loses the answers to what begins an upload
// for as long as it is told to.
type forgetful struct {
	http.Handler

	lose atomic.Bool
	lost chan struct{} // gets something for each of those answers, unless it is full
}

func (f *forgetful) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/api/uploads" {
		f.Handler.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	f.Handler.ServeHTTP(answer, r)
	if answer.Code == http.StatusCreated && f.lose.Load() {
		select {
		case f.lost <- struct{}{}:
		default:
		}
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // who has left needs none
}

// TestTheAnswerToAnAnnouncementIsLost has the program and the control plane killed after an
// upload has begun of which nobody heard. The same command goes on with it, and begins no
// other.
func TestTheAnswerToAnAnnouncementIsLost(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	operator := controlplane.As(corraltest.Operator)
	file := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := os.WriteFile(file, tiny(t, tinymodel.Options{}), 0o600); err != nil {
		t.Fatal(err)
	}
	line := &forgetful{Handler: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: controlplane.Address}), lost: make(chan struct{}, 1)}
	between := httptest.NewServer(line)
	t.Cleanup(between.Close)
	upload := corraltest.Command{
		Path: corraltest.Bin(t, "corral"),
		Env:  []string{"CORRAL_SERVER=" + between.URL, "CORRAL_KEY=" + controlplane.Key(corraltest.Operator), "XDG_STATE_HOME=" + lab.Folder("state")},
		Args: []string{"model", "upload", file, "--name", "tiny"},
	}
	// uploads returns those that the control plane has, of which nothing is done yet.
	uploads := func() (list []client.Operation) {
		t.Helper()
		all, err := controlplane.API().Operations(t.Context(), client.OperationQuery{Model: "tiny"})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range all {
			if o.Kind == "upload" {
				list = append(list, o)
			}
		}
		return list
	}

	awaitLoss := func() {
		t.Helper()
		select {
		case <-line.lost:
		case <-time.After(modelLimit):
			t.Fatal("nothing was begun")
		}
	}

	line.lose.Store(true)
	program := lab.Start(upload)
	awaitLoss()
	program.Kill()
	begun := uploads()
	if len(begun) != 1 || begun[0].State.Ended() {
		t.Fatalf("begun are %+v", begun)
	}
	controlplane.Kill()
	controlplane.Restart()
	select {
	case <-line.lost: // of a second try, before the program was killed
	default:
	}

	program = lab.Start(upload)
	awaitLoss()
	line.lose.Store(false)
	if code := program.Wait(modelLimit); code != 0 || !program.LogHas("model tiny:latest is uploaded") {
		t.Fatalf("status %d\n%s", code, program.Log())
	}
	awaitModel(t, operator, "tiny", "is stored", func(m catalogued) bool { return m.Status == "stored" && m.Progress == nil })
	if done := uploads(); len(done) != 1 || done[0].ID != begun[0].ID || done[0].State != client.OperationDone {
		t.Errorf("at the end there are %+v, and %+v was begun first", done, begun)
	}
}
