package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/agent/internal/config"
	"github.com/corral-fleet/corral/agent/internal/survey"
)

// terminal returns the two ends of a terminal.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

func TestAgreeing(t *testing.T) {
	person, program := terminal(t)
	for answer, agreed := range map[string]bool{"y": true, "Yes": true, "": false, "n": false, "what?": false} {
		if _, err := person.WriteString(answer + "\n"); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		j := joining{in: program, out: &out}
		if err := j.agree(t.Context()); (err == nil) != agreed || out.String() != "Join? [y/N] " {
			t.Errorf("%q: %v, it printed %q", answer, err, out.String())
		}
	}
	interrupted, interrupt := context.WithCancel(t.Context())
	interrupt()
	if err := (&joining{in: program, out: &bytes.Buffer{}}).agree(interrupted); err == nil {
		t.Error("an interrupt at the question counts as yes")
	}
	if err := (&joining{in: strings.NewReader("y\n"), out: &bytes.Buffer{}}).agree(t.Context()); err == nil || !strings.Contains(err.Error(), "--yes") {
		t.Errorf("without a terminal: %v", err)
	}
	if err := (&joining{yes: true}).agree(t.Context()); err != nil {
		t.Errorf("with --yes: %v", err)
	}
}

func TestJoiningThatCannotWork(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "data")
		code, out, errs := cli(t, append([]string{"join", "--yes", "--data-dir", dir}, args...)...)
		if code != 2 || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%q: exit code %d, it printed %q and %q", args, code, out, errs)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%q: the data directory was made", args)
		}
	}
	f("--server")
	f("--token", "--server", "http://127.0.0.1:1")
}

func TestWhatTheAgentWouldDo(t *testing.T) {
	answers, none := survey.Host{}, survey.Host{Ollama: survey.Ollama{Err: os.ErrNotExist}}
	ours := survey.Host{Ollama: survey.Ollama{Unit: "corral-ollama@default.service"}}
	for _, c := range []struct {
		mode string
		host *survey.Host
		want string
	}{
		{config.ModeAuto, &answers, "would not start, stop, restart or configure it"},
		{config.ModeAuto, &none, "start an Ollama of its own"},
		{config.ModeAttached, &none, "watch the Ollama"},
		{config.ModeManaged, &none, "start an Ollama of its own"},
		{config.ModeManaged, &answers, "is taken"},
		{config.ModeManaged, &ours, "is taken"},
		{config.ModeAuto, &none, "use its unit for Ollama instead, where that is installed"},
		{config.ModeAuto, &ours, "have systemd run"},
		{config.ModeSystemd, &none, "have systemd run"},
		{config.ModeSystemd, &ours, "have systemd run"},
		{config.ModeSystemd, &answers, "is taken"},
	} {
		j := joining{cfg: config.Default()}
		j.cfg.Ollama.Mode = c.mode
		if got := j.intent(c.host); !strings.Contains(got, c.want) {
			t.Errorf("%s: it says %q, without %q", c.mode, got, c.want)
		}
	}
}
