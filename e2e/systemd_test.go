package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/e2e/systemdtest"
	"github.com/corral-fleet/corral/sdk/client"
)

// serviceLimit is how long systemd may take for what it was asked to do.
const serviceLimit = 20 * time.Second

// installed is a machine on which everything was installed by make.
type installed struct {
	*systemdtest.Machine
	t   *testing.T
	key string // of the control plane
}

// installEverything boots a machine, installs everything there and starts the control
// plane. Its Ollama is the test build. paths are folders that are there as well.
func installEverything(t *testing.T, paths ...string) *installed {
	t.Helper()
	ollama := ollamatest.Bin(t)
	m := &installed{t: t, Machine: systemdtest.Boot(t, append(paths, corraltest.Root(t), corraltest.BinDir(t), filepath.Dir(ollama))...)}
	m.Run("install -D " + ollama + " /usr/local/bin/ollama")
	m.install()
	m.Run("systemctl enable --now corral-controlplane")
	m.key = m.secret("key create --name test --role admin --json", "key")
	return m
}

// install is make install.
func (m *installed) install() {
	m.t.Helper()
	m.Run(m.make("install"))
}

// make is how a target is made on the machine; the Makefile needs Go to be found.
func (m *installed) make(target string) string {
	return fmt.Sprintf("PATH=%s:$PATH make --silent -C %s %s PREFIX=/usr BIN=%s", os.Getenv("PATH"), corraltest.Root(m.t), target, corraltest.BinDir(m.t))
}

// secret makes a key or a token.
func (m *installed) secret(command, field string) string {
	m.t.Helper()
	var made map[string]any
	out := m.Run("runuser -u corral-controlplane -- corral-controlplane " + command)
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		m.t.Fatalf("%s printed %q: %v", command, out, err)
	}
	return made[field].(string)
}

// join has the agent join when it starts, as an operator would.
func (m *installed) join() {
	m.t.Helper()
	m.Run("echo CORRAL_AGENT_SERVER=https://127.0.0.1:11435 > /etc/corral/agent.env")
	m.Run("umask 077; echo " + m.secret("token create --json", "token") + " > /etc/credstore/corral-agent.token")
	m.Run("systemctl enable --now corral-agent")
}

// awaitProperty waits until a unit's property has a value.
func (m *installed) awaitProperty(unit, name, want string) {
	m.t.Helper()
	corraltest.Await(m.t, serviceLimit, fmt.Sprintf("%s of %s is %q", name, unit, want), func() error {
		if got := m.Property(unit, name); !strings.Contains(got, want) {
			return fmt.Errorf("it is %q", got)
		}
		return nil
	})
}

// TestServicesUnderSystemd has a real systemd run what make install puts in place.
func TestServicesUnderSystemd(t *testing.T) {
	t.Parallel()
	m := installEverything(t)
	if out, err := m.Try("systemd-analyze verify --man=no corral-agent.service corral-controlplane.service corral-ollama@default.service"); err != nil || out != "" {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}

	if out, err := m.Try("systemctl start corral-agent"); err == nil {
		t.Errorf("an agent that has nowhere to join is started: %s", out)
	}
	m.awaitProperty("corral-agent", "NRestarts", "1") // it is tried again
	m.Run("systemctl stop corral-agent")              // or the next start is that attempt, which fails

	m.join()
	m.awaitProperty("corral-agent", "StatusText", "connected to https://127.0.0.1:11435")
	m.awaitProperty("corral-controlplane", "StatusText", "1 of 1 hosts are online")

	m.wantBoundPlugin()

	m.watchdog("corral-agent")
	m.watchdog("corral-controlplane")

	for _, service := range []string{"corral-agent", "corral-controlplane"} {
		m.upgrade(service)
	}
	m.awaitProperty("corral-controlplane", "StatusText", "1 of 1 hosts are online")

	m.uninstall()
}

// wantBoundPlugin wants the plugin of the storage that is there by default to serve,
// within the bounds that its host sets, which the unit's filter of system calls must
// let it.
func (m *installed) wantBoundPlugin() {
	m.t.Helper()
	var plugin client.Plugin
	corraltest.Await(m.t, serviceLimit, "the storage's plugin serves", func() error {
		var plugins []client.Plugin
		answer := m.caller().Get("/api/plugins")
		answer.JSON(&plugins)
		i := slices.IndexFunc(plugins, func(p client.Plugin) bool { return p.Name == "fs" })
		if i < 0 || plugins[i].State != "ready" {
			return fmt.Errorf("it does not: %s", answer.Body)
		}
		plugin = plugins[i]
		return nil
	})
	if len(plugin.Unconfined) > 0 {
		m.t.Errorf("the plugin is not confined: %q", plugin.Unconfined)
	}
	limits := strings.Join(strings.Fields(m.Run("cat /proc/"+strconv.Itoa(plugin.PID)+"/limits")), " ")
	for _, want := range []string{"Max core file size 0 0", "Max open files 1024 1024"} {
		if !strings.Contains(limits, want) {
			m.t.Errorf("the plugin's limits do not have %q: %s", want, limits)
		}
	}
	// No other way to change what a process may use is open.
	filter := m.Run("systemctl show --value --property=SystemCallFilter corral-controlplane")
	for call, allowed := range map[string]bool{"prlimit64": true, "setrlimit": false, "setpriority": false, "mount": false} {
		if got := slices.Contains(strings.Fields(filter), call); got != allowed {
			m.t.Errorf("%s is allowed: %v, want %v", call, got, allowed)
		}
	}
}

// upgrade installs while a service runs, which goes on as it was until it is
// started anew.
func (m *installed) upgrade(service string) {
	m.t.Helper()
	before := m.Property(service, "MainPID")
	m.install()
	if now := m.Property(service, "MainPID"); now != before {
		m.t.Errorf("%s is another process once it was installed", service)
	}
	m.Run("systemctl restart " + service)
	if exe := m.Run("readlink /proc/" + m.Property(service, "MainPID") + "/exe"); exe != "/usr/bin/"+service {
		m.t.Errorf("%s is run from %s", service, exe)
	}
}

// uninstall is make uninstall, which leaves nothing but settings and state.
func (m *installed) uninstall() {
	m.t.Helper()
	m.Run(m.make("uninstall"))
	if units, _ := m.Try("systemctl list-unit-files --no-legend 'corral*'; systemctl list-units --all --no-legend 'corral-*.service'"); units != "" {
		m.t.Errorf("there are still the units\n%s", units)
	}
	const places = "/usr/bin /usr/lib/systemd /usr/lib/sysusers.d /usr/lib/tmpfiles.d /usr/share/polkit-1 /etc/systemd /etc/polkit-1"
	if left := m.Run("find " + places + " -name '*corral*'"); left != "" {
		m.t.Errorf("there are still the files\n%s", left)
	}
	m.Run("test -s /var/lib/corral-agent/agent.key && test -s /etc/corral/agent.yaml")
}

// watchdog stops a service's process and waits until systemd has another one.
func (m *installed) watchdog(service string) {
	m.t.Helper()
	dropIn := "/run/systemd/system/" + service + ".service.d/watchdog.conf"
	m.Run("mkdir -p $(dirname " + dropIn + "); printf '[Service]\nWatchdogSec=3\nRestartSec=100ms\n' > " + dropIn + "; systemctl daemon-reload; systemctl restart " + service)
	before := m.Property(service, "MainPID")
	m.Run("kill -STOP " + before)
	corraltest.Await(m.t, serviceLimit, service+" is started anew", func() error {
		if pid := m.Property(service, "MainPID"); pid == before || pid == "0" || m.Property(service, "ActiveState") != "active" {
			return errors.New("it is not yet")
		}
		return nil
	})
	if text := m.Run("journalctl --no-pager --unit=" + service); !strings.Contains(text, "Watchdog timeout") {
		m.t.Errorf("it was not the watchdog:\n%s", text)
	}
	m.Run("rm " + dropIn + "; systemctl daemon-reload; systemctl restart " + service)
}

// TestTheAgentMayRunItsOllamaAlone asks systemd as the agent's user.
func TestTheAgentMayRunItsOllamaAlone(t *testing.T) {
	t.Parallel()
	m := installEverything(t)
	m.Run("printf '[Service]\nExecStart=sleep infinity\n' > /run/systemd/system/other.service; systemctl daemon-reload")
	const call = "runuser -u corral-agent -- busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager "
	for _, test := range []struct {
		method, arguments string
		allowed           bool
	}{
		{"StartUnit", "ss corral-ollama@default.service replace", true},
		{"RestartUnit", "ss corral-ollama@default.service replace", true},
		{"StopUnit", "ss corral-ollama@default.service replace", true},
		{"StartUnit", "ss other.service replace", false},
		{"StopUnit", "ss corral-controlplane.service replace", false},
		{"StartUnit", "ss corral-ollama@../other.service replace", false},
		{"KillUnit", "ssi corral-ollama@default.service all 9", false},
		{"MaskUnitFiles", "asbb 1 corral-ollama@default.service true false", false},
		{"Reload", "", false},
	} {
		out, err := m.Try(call + test.method + " " + test.arguments)
		if allowed := err == nil; allowed != test.allowed {
			t.Errorf("%s %s: %s", test.method, test.arguments, out)
		}
	}
	if out, err := m.Try("runuser -u corral-ollama -- cat /var/lib/corral-agent/agent.key /etc/credstore/x"); err == nil {
		t.Errorf("Ollama's user can read the agent's files: %s", out)
	}
}
