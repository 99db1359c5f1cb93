package ollamaapi

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
)

const progress = `{"status":"pulling"}` + "\n" + `{"status":"success"}` + "\n"

// reports stands in for an Ollama that tells how far it is.
func reports(pieces ...string) relaytest.Call {
	return func(_ context.Context, to fleet.Target, _ fleet.Call) (*fleet.Answer, error) {
		answer := relaytest.Stream("application/x-ndjson", nil, pieces...)
		answer.Target = to
		return answer, nil
	}
}

// What is done on one host goes to the one that is named, or to the only one.
func TestWorkOnOneHost(t *testing.T) {
	h := newHerd(t, three())
	for name := range three() {
		h.instead[name] = reports(progress)
	}
	for _, path := range []string{"/api/pull", "/api/create", "/api/push", "/api/me", "/api/blobs/sha256:abc"} {
		for _, c := range []struct {
			query  string
			header string
		}{{"?host=beta", "X: y"}, {"?host=alpha", TargetField + ": beta"}, {"", TargetField + ": h_beta"}} {
			got := h.server.Do(edge.Operate, "POST", path+c.query, `{"model":"x"}`, c.header)
			if got.Status != 200 || got.Body != progress || got.Header.Get("Corral-Host") != "beta" || got.Header.Get("Content-Type") != "application/x-ndjson" {
				t.Errorf("%s%s: %d %v %s", path, c.query, got.Status, got.Header, got.Body)
			}
			h.wantCalls("beta POST " + path + ` {"model":"x"}`)
		}
	}
	h.registry.Remove("h_alpha")
	h.registry.Disconnect("h_gamma", 1, time.Now(), fleet.HostAway)
	// The fleet has another host, though that is away: it answers itself.
	if got := h.server.Do(edge.Operate, "HEAD", "/api/blobs/sha256:"+strings.Repeat("a", 64), ""); got.Status != 404 {
		t.Errorf("with one host that is connected: %d %s", got.Status, got.Body)
	}
	h.wantCalls()
	h.registry.Remove("h_gamma")
	if got := h.server.Do(edge.Operate, "POST", "/api/pull", `{}`); got.Status != 200 {
		t.Errorf("with one host: %d %s", got.Status, got.Body)
	}
	h.wantCalls("beta POST /api/pull {}")
	h.registry.Report("h_beta", 1, time.Now(), []fleet.Instance{{Name: "default", State: fleet.InstanceStopped}})
	if got := h.server.Do(edge.Operate, "POST", "/api/pull", `{}`); got.Status != 503 || !strings.Contains(got.Body, `no Ollama on host \"beta\" serves now`) {
		t.Errorf("with no Ollama: %d %s", got.Status, got.Body)
	}
	h.registry.Remove("h_beta")
	if got := h.server.Do(edge.Operate, "POST", "/api/pull", `{}`); got.Status != 503 || !strings.Contains(got.Body, "no host is connected") {
		t.Errorf("with no host: %d %s", got.Status, got.Body)
	}
}

// A report that ends in the middle is an error to who reads it.
func TestAReportThatBreaksOff(t *testing.T) {
	h := newHerd(t, map[string]map[string]string{"alpha": {}})
	h.instead["alpha"] = reports(`{"status":"pulling"}` + "\n")
	got := h.server.Do(edge.Operate, "POST", "/api/pull", `{}`)
	if want := `{"status":"pulling"}` + "\n" + `{"error":"the answer from host \"alpha\" broke off before its end"}` + "\n"; got.Body != want {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

func TestABlobThatIsAskedFor(t *testing.T) {
	h := newHerd(t, map[string]map[string]string{"alpha": {}})
	for _, status := range []int{200, 404} {
		h.instead["alpha"] = func(context.Context, fleet.Target, fleet.Call) (*fleet.Answer, error) {
			answer := relaytest.Answer(status, "", "")
			answer.Fields = nil
			return answer, nil
		}
		if got := h.server.Do(edge.Operate, "HEAD", "/api/blobs/a%20b%2F..", ""); got.Status != status || got.Body != "" {
			t.Errorf("%d %s, want %d", got.Status, got.Body, status)
		}
		h.wantCalls("alpha HEAD /api/blobs/a%20b%2F.. ")
	}
}

// A body is on its way to the host while the client still writes it, so that
// nothing has to hold all of it.
func TestABodyIsPassedOnAsItComes(t *testing.T) {
	h := newHerd(t, map[string]map[string]string{"alpha": {}})
	type piece struct {
		text   string
		length int64
	}
	arrived := make(chan piece, 8)
	h.api.calls = relaytest.Call(func(_ context.Context, _ fleet.Target, call fleet.Call) (*fleet.Answer, error) {
		buf := make([]byte, 64)
		for {
			n, err := call.Stream.Read(buf)
			if n > 0 {
				arrived <- piece{string(buf[:n]), call.StreamBytes}
			}
			if err == io.EOF {
				return relaytest.Answer(201, "", ""), nil
			}
			if err != nil {
				return nil, err
			}
		}
	})
	from, to := io.Pipe()
	done := make(chan int, 1)
	go func() {
		status, err := h.server.Upload(t.Context(), edge.Operate, "/api/blobs/sha256:abc", from)
		if err != nil {
			t.Error(err)
		}
		done <- status
	}()
	for _, text := range []string{"first", "second"} {
		if _, err := io.WriteString(to, text); err != nil {
			t.Fatal(err)
		}
		if got := relaytest.Await(t, arrived, text); got != (piece{text, -1}) {
			t.Errorf("%+v arrived, want %q", got, text)
		}
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	if status := relaytest.Await(t, done, "the answer"); status != 201 {
		t.Errorf("status %d", status)
	}
}
