package identity

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
)

// asNobody runs f with the rights of a user who owns nothing, even where the
// tests are run by root.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked, so that the thread ends with the goroutine
		const nobody = 65534
		_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0) // of this thread alone; has no error to return
		f()
	}()
	<-done
}

func TestDirectoryThatMayNotBeWritten(t *testing.T) {
	dir := reachable(t)
	closeIt(t, open(t, dir))
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	asNobody(t, func() {
		_, err := Open(dir)
		wantForbidden(t, err)
		_, err = Open(filepath.Join(dir, "below"))
		wantForbidden(t, err)
	})
}

func TestMembershipThatMayNotBeWritten(t *testing.T) {
	dir := reachable(t)
	id := open(t, dir)
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	asNobody(t, func() {
		wantForbidden(t, id.SaveJoined(Membership{HostID: "h1"}))
	})
	if id.Joined() {
		t.Error("what could not be saved counts as joined")
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	join(t, id)
	asNobody(t, func() { wantForbidden(t, id.Leave()) })
	if !id.Joined() {
		t.Error("what could not be removed counts as left")
	}
}

// reachable returns a directory that other users can reach.
func reachable(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	for parent := filepath.Dir(dir); parent != filepath.Clean(os.TempDir()); parent = filepath.Dir(parent) {
		if err := os.Chmod(parent, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func wantForbidden(t *testing.T, err error) {
	t.Helper()
	if fault.KindOf(err) != fault.Forbidden {
		t.Errorf("error = %v (%v), want forbidden", err, fault.KindOf(err))
	}
}
