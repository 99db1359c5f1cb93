package e2e

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// badLine passes connections on to a server, and cuts each of the first ones once so many
// bytes came from its client.
type badLine struct {
	listener net.Listener
	server   string
	bytes    int64
	cuts     chan int // each cut, counted from 1
	left     atomic.Int64
}

func newBadLine(t *testing.T, server string, cuts int, bytes int64) *badLine {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &badLine{listener: listener, server: server, bytes: bytes, cuts: make(chan int, cuts)}
	l.left.Store(int64(cuts))
	t.Cleanup(func() { listener.Close() })
	go l.serve(cuts)
	return l
}

func (l *badLine) serve(cuts int) {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", l.server)
		if err != nil { // it is being started again
			client.Close()
			continue
		}
		go func() {
			defer client.Close()
			defer server.Close()
			go io.Copy(client, server)
			if l.left.Load() <= 0 {
				io.Copy(server, client)
				return
			}
			if _, err := io.CopyN(server, client, l.bytes); err == nil {
				left := l.left.Add(-1)
				l.cuts <- cuts - int(left)
			}
		}()
	}
}

// TestAModelByTheCommandLine uploads a model over a line that breaks ten times, with the
// server killed in between and the program as well, brings it to two hosts, talks with it
// and deletes it.
func TestAModelByTheCommandLine(t *testing.T) {
	t.Parallel()
	const cuts, serverKilled, programKilled = 10, 4, 7
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	for _, name := range []string{"one", "two"} {
		agent := controlplane.Agent(corraltest.AgentOptions{Name: name, Args: corraltest.ManagedOllama(ollamatest.Bin(t), lab.Folder("models-"+name))})
		agent.AwaitServing(serveLimit)
	}
	file := filepath.Join(t.TempDir(), "mine.gguf")
	content := tiny(t, tinymodel.Options{})
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	line := newBadLine(t, controlplane.Address, cuts, int64(len(content)/(cuts+1)))
	environment := []string{"CORRAL_KEY=" + controlplane.Key(corraltest.Operator), "XDG_STATE_HOME=" + lab.Folder("state")}
	upload := corraltest.Command{
		Path: corraltest.Bin(t, "corral"), Env: append([]string{"CORRAL_SERVER=http://" + line.listener.Addr().String()}, environment...),
		Args: []string{"model", "upload", file, "--name", "mine:1b", "--hosts", "one,two", "--wait", "--timeout", "2m"},
	}
	program := lab.Start(upload)
	for cut := 0; cut < cuts; {
		select {
		case cut = <-line.cuts:
		case <-time.After(modelLimit):
			t.Fatalf("after %d cuts nothing more comes\n%s", cut, program.Log())
		}
		switch cut {
		case serverKilled:
			controlplane.Kill()
			controlplane.Restart()
		case programKilled:
			program.Kill()
			program = lab.Start(upload)
		}
	}
	if code := program.Wait(2 * modelLimit); code != 0 || !program.LogHas("model mine:1b is available; hosts: one, two\n") {
		t.Fatalf("status %d\n%s", code, program.Log())
	}
	if program.LogHas("hashing") {
		t.Errorf("the file was read again:\n%s", program.Log())
	}

	environment = append(environment, "CORRAL_SERVER="+controlplane.URL())
	do := func(want int, part string, args ...string) {
		t.Helper()
		if code, out := command(t, environment, "corral", args...); code != want || !strings.Contains(out, part) {
			t.Errorf("corral %s: status %d, want %d and %q in\n%s", strings.Join(args, " "), code, want, part, out)
		}
	}
	do(0, "mine.gguf", "model", "show", "mine:1b")
	do(0, "nothing is under way", "op", "list", "--ended", "0")
	do(0, "mine:1b is available", "model", "download", "mine:1b", "--all", "--wait", "--timeout", "1m")
	do(0, "", "chat", "mine:1b", "Who are you?")
	do(1, "spills", "model", "fit", "mine:1b", "--context", "1024") // there is no GPU
	do(0, "is also Prod:latest", "model", "alias", "mine:1b", "Prod")
	do(0, "", "chat", "prod", "Who are you?")
	for path, body := range map[string]map[string]any{
		"/api/generate":        {"model": "PROD", "prompt": "Who are you?", "stream": false},
		"/v1/chat/completions": {"model": "PROD", "messages": []map[string]string{{"role": "user", "content": "Who are you?"}}, "max_tokens": 4},
	} {
		if answer := controlplane.As(corraltest.Operator).Post(path, body); answer.Status != 200 || !strings.Contains(answer.Body, `"model":"PROD"`) {
			t.Errorf("%s by an alias: %d %s", path, answer.Status, answer.Body)
		}
	}
	if tags := controlplane.As(corraltest.Operator).Get("/api/tags"); !strings.Contains(tags.Body, `"name":"Prod:latest"`) {
		t.Errorf("the tags are %s", tags.Body)
	}
	do(1, "there is a model", "model", "alias", "mine:1b", "mine:1b")
	do(0, "is pinned", "model", "pin", "mine:1b")
	do(0, "is labelled", "model", "label", "mine:1b", "team=night")
	do(0, "team=night", "model", "show", "mine:1b")
	do(2, "agree with --yes", "model", "delete", "mine:1b")
	do(0, "its files go at", "model", "delete", "mine:1b", "--yes")
	do(0, "is restored", "model", "restore", "mine:1b")
	do(0, "for good", "model", "delete", "mine:1b", "--yes", "--purge")
	awaitModel(t, controlplane.As(corraltest.Operator), "mine:1b", "is gone", func(m catalogued) bool { return m.Status == "" })
	do(1, "not found", "model", "show", "mine:1b")

	nothing := filepath.Join(t.TempDir(), "nothing.gguf")
	if err := os.WriteFile(nothing, []byte("this is no model"), 0o600); err != nil {
		t.Fatal(err)
	}
	do(1, "corral: store nothing:latest: ", "model", "upload", nothing, "--wait")
}
