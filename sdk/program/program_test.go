package program

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
)

// The programs that the test program plays, by its first argument.
const (
	roleDrains = "drains" // ends in order when it is asked to
	roleHangs  = "hangs"  // notices that it is asked to, and goes on
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch role := os.Args[1]; role {
		case roleDrains, roleHangs:
			os.Exit(Run("played", os.Stderr, func(ctx context.Context) error { return play(ctx, role) }))
		}
	}
	os.Exit(m.Run())
}

func play(ctx context.Context, role string) error {
	fmt.Println("ready")
	<-ctx.Done()
	fmt.Println("asked")
	if role == roleHangs {
		select {}
	}
	return nil
}

// child is a played program.
type child struct {
	*exec.Cmd
	t      *testing.T
	lines  *bufio.Reader
	stderr bytes.Buffer
}

func start(t *testing.T, role string) *child {
	t.Helper()
	c := &child{t: t, Cmd: exec.Command("/proc/self/exe", role)}
	c.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	c.Stderr = &c.stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.lines = bufio.NewReader(out)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	c.await("ready")
	return c
}

func (c *child) await(line string) {
	c.t.Helper()
	if got, err := c.lines.ReadString('\n'); strings.TrimSpace(got) != line {
		c.t.Fatalf("it printed %q, %v; want %q", got, err, line)
	}
}

func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	if err := c.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

func TestTheFirstSignalDrains(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		c := start(t, roleDrains)
		c.signal(s)
		c.await("asked")
		if err := c.Wait(); err != nil || c.stderr.Len() != 0 {
			t.Errorf("after %v: %v, it printed %q", s, err, &c.stderr)
		}
	}
}

func TestAFurtherSignalEndsAtOnceButNotWithinASecond(t *testing.T) {
	c := start(t, roleHangs)
	c.signal(syscall.SIGTERM)
	c.await("asked")
	asked := time.Now()
	c.signal(syscall.SIGINT) // the same wish, sent twice
	exited := make(chan error, 1)
	go func() {
		// Wait would close the pipe that await reads from; nothing more is read.
		exited <- c.Wait()
	}()
	select {
	case err := <-exited:
		t.Fatalf("it ended %v after the first signal: %v", time.Since(asked), err)
	case <-time.After(impatience + 100*time.Millisecond):
	}
	c.signal(syscall.SIGTERM)
	select {
	case err := <-exited:
		if err == nil {
			t.Error("it ended as if in order")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on")
	}
	if code := c.ProcessState.ExitCode(); code != ExitFailed || !strings.Contains(c.stderr.String(), "played: stopped at once") {
		t.Errorf("exit code %d, it printed %q", code, &c.stderr)
	}
}

type settings struct {
	Size  int `yaml:"size"`
	Width int `yaml:"width"`
}

func TestExitCodesAndWhatIsPrinted(t *testing.T) {
	var cfg settings
	_, faults := config.Load(&cfg, config.Source{Prefix: "PLAYED", Environ: []string{"PLAYED_SIZE=big", "PLAYED_WIDTH=wide"}})
	f := func(err error, code int, printed ...string) {
		t.Helper()
		var stderr strings.Builder
		if got := Run("played", &stderr, func(context.Context) error { return err }); got != code {
			t.Errorf("%v: exit code %d, want %d", err, got, code)
		}
		for _, want := range printed {
			if !strings.Contains(stderr.String(), want) {
				t.Errorf("%v: it printed %q without %q", err, &stderr, want)
			}
		}
		if len(printed) == 0 && stderr.Len() > 0 {
			t.Errorf("%v: it printed %q", err, &stderr)
		}
	}
	f(nil, ExitOK)
	f(errors.New("broken"), ExitFailed, "played: broken\n")
	f(Usage(nil), ExitOK)
	f(Usage(errors.New("unknown flag: --x")), ExitUsage, "played: unknown flag: --x\n")
	f(fmt.Errorf("run: %w", Usage(io.EOF)), ExitUsage, "played: run: EOF\n")
	f(fault.New(fault.Invalid, "no control plane is configured"), ExitUsage, "no control plane is configured")
	f(fault.New(fault.Invalid, "said by another").On(fault.Plugin), ExitFailed, "said by another")
	f(fault.New(fault.Conflict, "another process holds it"), ExitFailed, "another process holds it")
	f(faults, ExitUsage, "the settings have faults", "size", "width") // every fault at once
}

func TestTheContextEndsWithRun(t *testing.T) {
	ended := make(chan struct{})
	Run("played", io.Discard, func(ctx context.Context) error {
		context.AfterFunc(ctx, func() { close(ended) })
		return nil
	})
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the context goes on after Run")
	}
}

func TestLogger(t *testing.T) {
	var out strings.Builder
	log := NewLogger("played", "warn", "json", &out)
	log.Info("quiet")
	log.Warn("loud", "count", 3)
	if got := out.String(); strings.Contains(got, "quiet") || !strings.Contains(got, `"@message":"loud"`) || !strings.Contains(got, `"count":3`) {
		t.Errorf("it logged %q", got)
	}
	out.Reset()
	NewLogger("played", "debug", "text", &out).Debug("plain", "count", 3)
	if got := out.String(); !strings.Contains(got, "[DEBUG] played: plain: count=3") {
		t.Errorf("it logged %q", got)
	}
}
