package servertest

import (
	"os/exec"
	"runtime"
)

// supervise starts cmd and waits for its end, on a thread that lasts as long.
func supervise(cmd *exec.Cmd, started chan<- error, ended chan<- struct{}) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(ended)
	err := cmd.Start()
	started <- err
	if err == nil {
		_ = cmd.Wait() // it is killed
	}
}
