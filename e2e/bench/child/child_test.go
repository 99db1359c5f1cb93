package child

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func start(t *testing.T, script string) *Process {
	t.Helper()
	p, err := Start(context.Background(), "script", []string{"sh", "-c", script}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAddressIsTheOneLogged(t *testing.T) {
	p := start(t, `echo plain text; echo '{"@message":"other","address":"x:1"}'
		printf '{"@message":"listening",' >&2; printf '"address":"127.0.0.1:7"}\n' >&2; exec sleep 600`)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if got, err := p.Address(ctx); got != "127.0.0.1:7" || err != nil {
		t.Errorf("Address = %q, %v", got, err)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("Stop = %v", err)
	}
	if err := p.Stop(); err == nil {
		t.Error("a program that is gone was stopped again")
	}
}

func TestAddressOfAProgramThatDies(t *testing.T) {
	p := start(t, `echo no such flag >&2; exit 2`)
	_, err := p.Address(context.Background())
	if err == nil || !strings.Contains(err.Error(), "no such flag") {
		t.Errorf("Address = %v, want the program's last words", err)
	}
	if err := p.Stop(); err == nil {
		t.Error("Stop hides that the program had failed")
	}
}

func TestAddressEndsWithItsContext(t *testing.T) {
	p := start(t, `exec sleep 600`)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Address(ctx); err == nil {
		t.Error("a program that does not listen has an address")
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

func TestStartTellsWhatIsMissing(t *testing.T) {
	_, err := Start(context.Background(), "nothing", []string{"/nonexistent/program"}, func(*exec.Cmd) {})
	if err == nil || !strings.Contains(err.Error(), "start nothing") {
		t.Errorf("Start = %v", err)
	}
}

func TestOutputKeepsItsEnd(t *testing.T) {
	o := newOutput()
	for range 10000 {
		if _, err := o.Write([]byte("0123456789")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := o.Write([]byte("end")); err != nil {
		t.Fatal(err)
	}
	if got := o.tail(); len(got) != tailSize || !strings.HasSuffix(got, "789end") {
		t.Errorf("%d bytes kept, the last %q", len(got), got[max(0, len(got)-10):])
	}
	if len(o.kept) > 2*tailSize || len(o.line) > maxLine {
		t.Errorf("%d bytes kept, a line of %d", len(o.kept), len(o.line))
	}
}
