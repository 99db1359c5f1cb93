package systemdtest

import "testing"

func TestAMachineBootsAndEnds(t *testing.T) {
	m := Boot(t)
	if comm := m.Run("cat /proc/1/comm"); comm != "systemd" {
		t.Errorf("its process 1 is %q", comm)
	}
	if failed := m.Run("systemctl --failed --plain --no-legend"); failed != "" {
		t.Errorf("units have failed:\n%s", failed)
	}
	m.Run("busctl call org.freedesktop.PolicyKit1 /org/freedesktop/PolicyKit1/Authority org.freedesktop.DBus.Peer Ping")
	if out, err := m.Try("echo 1 > /proc/sys/vm/drop_caches"); err == nil {
		t.Errorf("it may change this machine's kernel: %s", out)
	}
}
