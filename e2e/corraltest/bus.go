package corraltest

import (
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// busConfig is that of a bus on which everybody may do everything.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=PATH</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>`

// Logind says on a bus what systemd's logind says. It has nobody to wait for.
type Logind struct {
	Env []string // of programs that take its bus for the system's

	lab  *Lab
	conn *dbus.Conn
}

// Logind starts a bus with a logind on it until the end of the test. Where there is
// no dbus-daemon it skips the test, or fails it if CORRAL_MUST_RUN names dbus.
func (l *Lab) Logind() *Logind {
	l.T.Helper()
	if _, err := exec.LookPath("dbus-daemon"); err != nil {
		if strings.Contains(os.Getenv("CORRAL_MUST_RUN"), "dbus") {
			l.T.Fatal(err)
		}
		l.T.Skip(err)
	}
	socket, config := l.Folder("bus"), l.Folder("bus-config")
	if err := os.WriteFile(config, []byte(strings.Replace(busConfig, "PATH", socket, 1)), 0o600); err != nil {
		l.T.Fatal(err)
	}
	l.Start(Command{Path: "dbus-daemon", Args: []string{"--config-file=" + config, "--nofork", "--nopidfile", "--nosyslog"}})
	address := "unix:path=" + socket
	logind := &Logind{Env: []string{"DBUS_SYSTEM_BUS_ADDRESS=" + address}, lab: l}
	Await(l.T, 10*time.Second, "a bus is there", func() (err error) {
		logind.conn, err = dbus.Connect(address)
		return err
	})
	l.T.Cleanup(func() { logind.conn.Close() })
	if _, err := logind.conn.RequestName("org.freedesktop.login1", dbus.NameFlagDoNotQueue); err != nil {
		l.T.Fatal(err)
	}
	return logind
}

// Say says that the host is about to sleep, or that it is awake again.
func (d *Logind) Say(sleeps bool) {
	d.lab.T.Helper()
	if err := d.conn.Emit("/org/freedesktop/login1", "org.freedesktop.login1.Manager.PrepareForSleep", sleeps); err != nil {
		d.lab.T.Fatal(err)
	}
}
