package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// server is a program that serves.
type server struct {
	t       *testing.T
	address string
	log     <-chan string
	signal  func(os.Signal)
	wait    func() int // for its end; returns the exit code
}

// serve starts the program and waits until it listens.
func serve(t *testing.T, args ...string) *server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	cmd := command(ctx, append([]string{"serve", "--log-format", "json"}, args...)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, log: lines(stderr), signal: func(sig os.Signal) { cmd.Process.Signal(sig) }}
	s.wait = func() int {
		for line := range s.log {
			t.Log(line)
		}
		cmd.Wait()
		return cmd.ProcessState.ExitCode()
	}
	s.address = s.awaitLog("listening")["address"].(string)
	return s
}

// awaitLog waits for a line with this message and returns its fields.
func (s *server) awaitLog(message string) map[string]any {
	s.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case line, ok := <-s.log:
			var fields map[string]any
			if err := json.Unmarshal([]byte(line), &fields); !ok || err != nil {
				s.t.Fatalf("the log has %q, %v, while %q is waited for", line, err, message)
			}
			if fields["@message"] == message {
				return fields
			}
		case <-timeout:
			s.t.Fatalf("%q was never logged", message)
		}
	}
}

func (s *server) get(path, key string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.address+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	res, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestServe(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, "--data-dir", dir, "--listen", "127.0.0.1:0")
	if !strings.HasPrefix(s.address, "127.0.0.1:") || strings.HasSuffix(s.address, ":0") {
		t.Fatalf("it listens on %q", s.address)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, body := s.get(path, ""); status != 200 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body := s.get("/api/system/status", ""); status != 401 {
		t.Errorf("without a key: %d %s", status, body)
	}
	// A key that is made beside the running server is good soon.
	key := strings.TrimSpace(run(t, nil, "key", "create", "--data-dir", dir, "--name", "x", "--role", "viewer").want(t, 0).stdout)
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(patience); ; <-poll.C {
		status, body := s.get("/api/system/status", key)
		if status == 200 && strings.Contains(body, `"status":"ok"`) {
			break
		}
		if status != 401 || time.Now().After(deadline) {
			t.Fatalf("with a key: %d %s", status, body)
		}
	}

	run(t, nil, "serve", "--data-dir", t.TempDir(), "--listen", s.address).want(t, 1, "is taken by", "--listen")
	run(t, nil, "serve", "--data-dir", dir, "--listen", "127.0.0.1:0").want(t, 1, dir, "another control plane")

	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != 0 {
		t.Errorf("after SIGTERM the exit code is %d", code)
	}
	again := serve(t, "--data-dir", dir, "--listen", "127.0.0.1:0")
	if status, body := again.get("/api/system/status", key); status != 200 {
		t.Errorf("after a restart: %d %s", status, body)
	}
	again.signal(syscall.SIGINT)
	if code := again.wait(); code != 0 {
		t.Errorf("after SIGINT the exit code is %d", code)
	}
}

func TestEveryFaultOfTheSettingsIsListed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "controlplane.yaml")
	text := "server:\n  port: 99999\n  log_level: loud\n  nonsense: 1\nmodels:\n  batch_size: -1\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	faults := []string{"server.port", "server.log_level", "nonsense", "models.batch_size", "log_format"}
	for _, args := range [][]string{{"config", "validate"}, {"config", "show"}, {"serve", "--data-dir", t.TempDir()}} {
		got := run(t, nil, append(args, "--config", file, "--log-format", "stone")...).want(t, 2, faults...)
		if got.stdout != "" {
			t.Errorf("%q printed %q", args, got.stdout)
		}
	}
	run(t, []string{"CORRAL_CONTROLPLANE_NONSENSE=1"}, "config", "validate").want(t, 2, "CORRAL_CONTROLPLANE_NONSENSE")
	run(t, nil, "config", "validate", "--config", filepath.Join(t.TempDir(), "absent.yaml")).want(t, 2, "absent.yaml")
}

func TestSettingsThatAreFineAreShown(t *testing.T) {
	run(t, nil, "config", "validate").want(t, 0)
	run(t, nil, "config", "validate", "--config", "../../../configs/controlplane.example.yaml").want(t, 0)
	shown := run(t, []string{"CORRAL_CONTROLPLANE_SERVER_LOG_LEVEL=debug"}, "config", "show", "--listen", "127.0.0.1:4711").want(t, 0).stdout
	for _, part := range []string{"4711", "debug", "CORRAL_CONTROLPLANE_SERVER_LOG_LEVEL", "--listen"} {
		if !strings.Contains(shown, part) {
			t.Errorf("%q is not shown:\n%s", part, shown)
		}
	}
}
