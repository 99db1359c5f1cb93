package report

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Machine returns one line on the machine that the figures come from: CPU
// model, cores, kernel and Go version.
func Machine() string {
	return fmt.Sprintf("%s, %d cores, Linux %s, %s %s", cpuModel(), runtime.NumCPU(), kernel(), runtime.Version(), runtime.GOARCH)
}

// cpuModel returns the name of the first CPU. Not every platform has one.
func cpuModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	for line := range bytes.Lines(info) {
		name, value, ok := strings.Cut(string(line), ":")
		if ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown CPU"
}

func kernel() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "of unknown version"
	}
	return strings.TrimSpace(string(release))
}
