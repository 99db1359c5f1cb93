package probe

import (
	"context"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// cudaDeadline is for a process that asks for the version of CUDA.
const cudaDeadline = 10 * time.Second

// askCUDA has another process ask for the version of CUDA, and sends it if it is
// found out. That process may never end, as any that calls the driver.
func askCUDA(ctx context.Context, library, program string) <-chan string {
	version := make(chan string, 1)
	go func() {
		runtime.LockOSThread() // or the child would be told that its parent died when this thread ends
		defer runtime.UnlockOSThread()
		ctx, cancel := context.WithTimeout(ctx, cudaDeadline)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, "--"+cudaFlag, "--library", library)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		out, err := cmd.Output()
		if text := strings.TrimSpace(string(out)); err == nil && text != "" {
			version <- text
		}
	}()
	return version
}
