package ollama

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/agent/internal/ollama/procs"
)

// runner is a process in which an Ollama has one model.
type runner struct {
	procs.Process
	port  string // on loopback, for its own Ollama; empty if the command line does not say
	model string // path of the model's file; likewise
}

// runnersOf returns the runners of an `ollama serve`: its direct children that
// were started as such. Up to Ollama 0.29 they are `ollama runner …`, later
// `llama-server …`.
func runnersOf(serve int) []runner {
	children, err := procs.Children(serve)
	if err != nil {
		return nil
	}
	var runners []runner
	for _, p := range children {
		args, err := p.Args()
		if err != nil || !isRunner(args) {
			continue
		}
		r := runner{Process: p, port: after(args, "--port"), model: after(args, "--model")}
		runners = append(runners, r)
	}
	return runners
}

// after returns what follows a flag, "" where the flag is not there.
func after(args []string, flag string) string {
	if i := slices.Index(args, flag); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	return ""
}

func isRunner(args []string) bool {
	return len(args) > 1 && args[1] == "runner" ||
		len(args) > 0 && filepath.Base(args[0]) == "llama-server"
}

// kill ends the runner. Ollama notices, fails what was asked of it, and starts
// another one when the model is next needed.
func (r runner) kill() error { return r.Signal(unix.SIGKILL) }

// loads reports whether the runner says that it is loading its model. One that
// says nothing does not load; the error tells why it didn't.
func (r runner) loads(ctx context.Context, c *http.Client) (bool, error) {
	if r.port == "" {
		return false, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+r.port+"/health", nil)
	if err != nil {
		return false, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusServiceUnavailable { // llama-server
		return true, nil
	}
	const launched, loading = 2, 3 // of `ollama runner`
	var answer struct{ Status int }
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&answer); err != nil {
		return false, err
	}
	return answer.Status == launched || answer.Status == loading, nil
}
