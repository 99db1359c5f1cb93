package client_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

func TestLogsAreFollowed(t *testing.T) {
	lineRead := make(chan struct{})
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "first\n")
		w.(http.Flusher).Flush()
		select {
		case <-lineRead:
			io.WriteString(w, "second\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case <-r.Context().Done():
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	body, err := c.Logs(ctx, "gpu-1", client.LogOptions{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	lines := bufio.NewReader(body)
	for _, want := range []string{"first\n", "second\n"} {
		got, err := lines.ReadString('\n')
		if err != nil || got != want {
			t.Fatalf("read %q, %v; want %q", got, err, want)
		}
		if want == "first\n" {
			close(lineRead)
		}
	}
	cancel()
	if _, err := lines.ReadString('\n'); fault.KindOf(err) != fault.Canceled {
		t.Errorf("after the context's end: %v, want fault.Canceled", err)
	}
}

func TestLogsThatBreakOff(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "first\n")
	})
	body, err := c.Logs(t.Context(), "gpu-1", client.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if text, err := io.ReadAll(body); string(text) != "first\n" || fault.KindOf(err) != fault.Unavailable {
		t.Errorf("read %q, %v; want the line and fault.Unavailable", text, err)
	}
}
