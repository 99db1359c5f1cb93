package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/program"
)

// asProgram makes the test's own binary behave as the program.
const asProgram = "CORRAL_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// result is what a run of the program left behind.
type result struct {
	code           int
	stdout, stderr string
}

// command returns the program as a process of its own, in an environment without
// settings.
func command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "CORRAL_") }), asProgram+"=1")
	return cmd
}

// run runs the program to its end, within this process: starting another one
// each time takes long.
func run(t *testing.T, environ []string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	root := newRoot("test", environ)
	root.SetArgs(args)
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	code := program.Run("corral-controlplane", &stderr, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if err := root.ExecuteContext(ctx); err != nil || ctx.Err() == nil {
			return err
		}
		return ctx.Err() // it had to be stopped
	})
	return result{code, stdout.String(), stderr.String()}
}

// want checks the exit code, and that standard error says all of these.
func (r result) want(t *testing.T, code int, says ...string) result {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code is %d, want %d; standard error:\n%s", r.code, code, r.stderr)
	}
	for _, part := range says {
		if !strings.Contains(r.stderr, part) {
			t.Errorf("standard error does not say %q:\n%s", part, r.stderr)
		}
	}
	return r
}

// lines returns each line of r until its end.
func lines(r io.Reader) <-chan string {
	out := make(chan string, 1000)
	go func() {
		defer close(out)
		for in := bufio.NewScanner(r); in.Scan(); {
			out <- in.Text()
		}
	}()
	return out
}
