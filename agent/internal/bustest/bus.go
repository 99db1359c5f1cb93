// Package bustest has a D-Bus of its own for a test.
package bustest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// config is that of a bus on which everybody may do everything, which tells no
// authentic sender from a liar as little as a system's does.
const config = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>`

// Bus is a bus that runs until the end of the test.
type Bus struct {
	Address string // the same each time that it begins

	t      testing.TB
	config string // its file
	daemon *exec.Cmd
}

// Start starts a bus. A run that names dbus in CORRAL_MUST_RUN fails without the
// program; others skip the test.
func Start(t testing.TB) *Bus {
	t.Helper()
	if _, err := exec.LookPath("dbus-daemon"); err != nil {
		if strings.Contains(os.Getenv("CORRAL_MUST_RUN"), "dbus") {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir, err := os.MkdirTemp("", "bus") //nolint:usetesting // a socket's path may not be as long as a test's name makes it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "bus")
	b := &Bus{Address: "unix:path=" + socket, t: t, config: filepath.Join(dir, "config.xml")}
	if err := os.WriteFile(b.config, fmt.Appendf(nil, config, socket), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Begin()
	t.Cleanup(b.End)
	return b
}

// Begin has the bus run, after an End.
func (b *Bus) Begin() {
	b.t.Helper()
	daemon := exec.Command("dbus-daemon", "--config-file="+b.config, "--nofork", "--nopidfile", "--nosyslog", "--print-address")
	out, err := daemon.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	var complaints strings.Builder
	daemon.Stderr = &complaints
	if err := daemon.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.daemon = daemon
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		b.End()
		b.t.Fatalf("the bus does not start: %v\n%s", err, &complaints)
	}
}

// End has the bus be away. It may have ended already.
func (b *Bus) End() {
	if b.daemon != nil {
		_ = b.daemon.Process.Kill() // it may have ended by itself
		_ = b.daemon.Wait()         // it was killed
		b.daemon = nil
	}
}
