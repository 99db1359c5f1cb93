package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/child"
	"github.com/corral-fleet/corral/e2e/bench/stage"
)

// ollama is an Ollama of which Corral knows nothing.
type ollama struct {
	binary  string
	dir     string
	models  string
	environ []string
	process *child.Process
}

// startOllama starts one with its files in dir, and returns when it answers.
func startOllama(ctx context.Context, st *stage.Stage, binary, dir string) (*ollama, error) {
	o := &ollama{binary: binary, dir: dir, models: filepath.Join(dir, "models")}
	if err := os.MkdirAll(o.models, 0o755); err != nil {
		return nil, err
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := free.Addr().String()
	free.Close()
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "OLLAMA_") {
			o.environ = append(o.environ, variable)
		}
	}
	o.environ = append(o.environ, "HOME="+dir, "OLLAMA_HOST="+address, "OLLAMA_MODELS="+o.models, "OLLAMA_NO_CLOUD=1")
	o.process, err = child.Start(ctx, "ollama", []string{binary, "serve"}, func(cmd *exec.Cmd) { cmd.Env = o.environ })
	if err != nil {
		return nil, err
	}
	st.Add(o.process.Stop)
	return o, await(ctx, startLimit, func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/api/version", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, o.process.Output())
		}
		return resp.Body.Close()
	})
}

// create makes a model of a file, as somebody does who sits at the machine. It returns how
// long that took, and the CPU time of the command.
func (o *ollama) create(ctx context.Context, model, file string) (took, used time.Duration, err error) {
	recipe := filepath.Join(o.dir, "Modelfile")
	if err := os.WriteFile(recipe, []byte("FROM "+file+"\n"), 0o600); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	used, err = o.command(ctx, "create", model, "-f", recipe)
	return time.Since(began), used, err
}

// remove takes a model away, and returns when nothing of it is there.
func (o *ollama) remove(ctx context.Context, model string) error {
	if _, err := o.command(ctx, "rm", model); err != nil {
		return err
	}
	return await(ctx, bringLimit, func() error { return empty(o.models) })
}

func (o *ollama) command(ctx context.Context, args ...string) (used time.Duration, err error) {
	cmd := exec.CommandContext(ctx, o.binary, args...)
	cmd.Env, cmd.Dir = o.environ, o.dir
	if said, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("ollama %s: %w\n%s", args[0], err, said)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}
