package pair

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/load"
	"github.com/corral-fleet/corral/e2e/bench/standin"
)

// program writes a shell script that stands for one of the programs, as these
// faults are not to be had from the real ones.
func program(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestControlPlaneThatMisbehaves(t *testing.T) {
	const made = `case "$1" in key) echo '{"key":"crl_k"}'; exit;; token) echo '{"token":"crt_t"}'; exit;; esac
`
	for script, want := range map[string]string{
		`echo no room >&2; exit 1`:               "no room",
		`echo done`:                              "printed no JSON",
		`echo '{}'`:                              "made no key or no token",
		made + `echo address in use >&2; exit 1`: "address in use",
	} {
		_, err := StartControlPlane(context.Background(), program(t, script), t.TempDir())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngives %v, want %q in it", script, err, want)
		}
	}
}

func TestAgentGetsWhatTheControlPlaneMade(t *testing.T) {
	dir := t.TempDir()
	cp, err := StartControlPlane(context.Background(), program(t, `case "$1" in
		key) echo '{"key":"crl_k"}';;
		token) echo '{"token":"crt_t"}';;
		serve) echo '{"@message":"listening","address":"127.0.0.1:7"}' >&2; exec sleep 600;;
	esac`), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cp.Stop(); err != nil {
			t.Error(err)
		}
	})
	if cp.URL != "http://127.0.0.1:7" || cp.Key != "crl_k" {
		t.Errorf("%+v", cp)
	}
	agent, err := cp.Join(context.Background(), program(t, `echo "$@" >&2; exit 3`), dir, "http://127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	<-agent.Exited()
	want := "run --data-dir " + dir + " --server http://127.0.0.1:7 --token crt_t --ollama-mode attached --ollama-url http://127.0.0.1:9 --log-format json\n"
	if got := agent.Output(); got != want {
		t.Errorf("the agent got %q, want %q", got, want)
	}
	if err := agent.Stop(); err == nil {
		t.Error("an agent that had failed was stopped without an error")
	}
}

func TestAwaitAnswer(t *testing.T) {
	ollama, err := standin.Start(context.Background(), standin.Options{Tokens: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ollama.Stop(); err != nil {
			t.Error(err)
		}
	})
	f := func(model string, limit time.Duration) error {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		body := []byte(`{"model":"` + model + `","messages":[{"role":"user","content":"hello"}]}`)
		return AwaitAnswer(ctx, load.Request{URL: ollama.URL + "/api/chat", Body: body})
	}
	if err := f("bench", 20*time.Second); err != nil {
		t.Error(err)
	}
	if err := f("other", 200*time.Millisecond); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("a model that is not there: %v, want the server's reason", err)
	}
}

func TestAwaitLoadedCountsEveryHost(t *testing.T) {
	ollama, err := standin.Start(context.Background(), standin.Options{Tokens: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ollama.Stop(); err != nil {
			t.Error(err)
		}
	})
	// As a control plane with one host would, the stand-in tells of one model.
	cp := &ControlPlane{URL: ollama.URL, Key: "crl_k"}
	if err := cp.awaitLoaded(t.Context(), 1); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := cp.awaitLoaded(ctx, 2); err == nil || !strings.Contains(err.Error(), " of 2 hosts") {
		t.Errorf("one of two hosts: %v, want how many there are", err)
	}
}
