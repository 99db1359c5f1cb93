// Package systemdtest boots a real systemd for a test: this machine's own, as
// process 1 of namespaces of its own, on a copy of this machine's files that is
// gone afterwards. It takes about a second, and root.
package systemdtest

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/e2e/corraltest"
)

const (
	bootLimit = 30 * time.Second
	shownLog  = "200" // lines of the journal that a failed test shows
)

// Machine is a systemd that was booted, with a loopback of its own.
type Machine struct {
	t   testing.TB
	pid int // of its process 1, as seen from here
}

// Boot boots a machine until the end of the test. paths are folders of this one
// that are there as they are here, to be read. Where that may not be done, as
// without root, the test is skipped, or fails if CORRAL_MUST_RUN names boot.
func Boot(t testing.TB, paths ...string) *Machine {
	t.Helper()
	if err := mayBoot(); err != nil {
		if strings.Contains(os.Getenv("CORRAL_MUST_RUN"), "boot") {
			t.Fatalf("this test boots systemd: %v", err)
		}
		t.Skipf("this test boots systemd: %v", err)
	}
	m := &Machine{t: t}
	group := controlGroup(t)
	args := append([]string{t.TempDir(), group}, paths...)
	log := filepath.Join(t.TempDir(), "boot.log")
	m.start(exec.Command(script(t), args...), log)
	corraltest.Await(t, bootLimit, "systemd boots", func() error {
		if syscall.Kill(m.pid, 0) != nil {
			text, _ := os.ReadFile(log)
			t.Fatalf("it ended: %s", text)
		}
		out, err := m.Command("systemctl", "is-system-running").CombinedOutput()
		if state := strings.TrimSpace(string(out)); state != "running" {
			return fmt.Errorf("it is %q: %w", state, err)
		}
		return nil
	})
	return m
}

// mayBoot returns why nothing can be booted here.
func mayBoot() error {
	for program, pkg := range map[string]string{
		"/lib/systemd/systemd": "systemd", "dbus-daemon": "dbus", "pkaction": "polkitd", "nsenter": "util-linux", "ip": "iproute2",
	} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w; it is in the package %s", err, pkg)
		}
	}
	dir, err := os.MkdirTemp("", "corral-may-boot")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	try := exec.Command("bash", "-ec", `mount --make-rprivate /
		mount -t tmpfs tmpfs "$0"; mkdir "$0"/{upper,work,root,groups}
		mount -t overlay -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" overlay "$0/root"
		mount -t cgroup2 cgroup2 "$0/groups"; mkdir "$0/groups/$1"; rmdir "$0/groups/$1"`, dir, filepath.Base(dir))
	try.SysProcAttr = namespaces()
	if out, err := try.CombinedOutput(); err != nil {
		return fmt.Errorf("only root may make such namespaces and mounts: %w: %s", err, out)
	}
	return nil
}

func namespaces() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWNET,
		// Should the test program die, the machine ends with all that runs on it.
		Pdeathsig: syscall.SIGKILL,
	}
}

//go:embed boot.sh
var bootScript []byte

// script puts boot.sh where it can be started.
func script(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "boot.sh")
	if err := os.WriteFile(path, bootScript, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// controlGroup makes a control group that the machine takes for the root of all.
func controlGroup(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	if err := unix.Mount("cgroup2", root, "cgroup2", 0, ""); err != nil {
		t.Fatal(err)
	}
	group := filepath.Join(root, "corral-test-"+rand.Text())
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// A folder of a control group is removed, what is in it can't be.
		corraltest.Await(t, bootLimit, "the machine's control groups end", func() error { return removeGroups(group) })
		if err := unix.Unmount(root, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return group
}

func removeGroups(group string) error {
	entries, err := os.ReadDir(group)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() {
			err = errors.Join(err, removeGroups(filepath.Join(group, e.Name())))
		}
	}
	return errors.Join(err, os.Remove(group))
}

// start starts the machine, which is killed at the end of the test.
func (m *Machine) start(cmd *exec.Cmd, log string) {
	m.t.Helper()
	file, err := os.Create(log)
	if err != nil {
		m.t.Fatal(err)
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	cmd.SysProcAttr = namespaces()
	started, ended := make(chan error), make(chan struct{})
	go func() {
		// The signal of a parent's death is sent when its thread ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(ended)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // it is killed
		}
	}()
	if err := <-started; err != nil {
		m.t.Fatal(err)
	}
	m.pid = cmd.Process.Pid
	m.t.Cleanup(func() {
		if m.t.Failed() {
			out, _ := m.Command("journalctl", "--no-pager", "--lines="+shownLog).CombinedOutput()
			m.t.Logf("the journal of the machine:\n%s", out)
		}
		_ = cmd.Process.Kill() // it may have ended
		<-ended
	})
}

// Command is a command that runs on the machine, as root.
func (m *Machine) Command(name string, args ...string) *exec.Cmd {
	inside := append([]string{"--target=" + strconv.Itoa(m.pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wdns=/", name}, args...)
	cmd := exec.Command("nsenter", inside...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"}
	return cmd
}

// Try runs a command of the shell on the machine, and returns what it printed,
// without a line end at its end.
func (m *Machine) Try(command string) (string, error) {
	out, err := m.Command("bash", "-euo", "pipefail", "-c", command).CombinedOutput()
	return strings.TrimRight(string(out), "\n"), err
}

// Run is [Machine.Try] for what has to succeed.
func (m *Machine) Run(command string) string {
	m.t.Helper()
	out, err := m.Try(command)
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return out
}

// Property returns a unit's property, as systemctl shows it.
func (m *Machine) Property(unit, name string) string {
	m.t.Helper()
	return m.Run("systemctl show --value --property=" + name + " " + unit)
}

// Transport returns what speaks with the machine's own addresses.
func (m *Machine) Transport() *http.Transport {
	return &http.Transport{DialContext: m.dial}
}

// dial connects from inside the machine's network.
func (m *Machine) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// It ends with its goroutine, and so never leads anybody else astray.
		runtime.LockOSThread()
		var there *os.File
		if there, err = os.Open(fmt.Sprintf("/proc/%d/ns/net", m.pid)); err != nil {
			return
		}
		defer there.Close()
		if err = unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err == nil {
			conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		}
	}()
	<-done
	return conn, err
}
