package procs

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Env returns the value of a variable with which the process was started, and
// whether it had one. An error means that the kernel does not let us see it.
func (p Process) Env(name string) (value string, ok bool, err error) {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID) + "/environ")
	if err != nil {
		return "", false, fmt.Errorf("environment of process %d: %w", p.PID, err)
	}
	for entry := range bytes.SplitSeq(env, []byte{0}) {
		if value, ok := strings.CutPrefix(string(entry), name+"="); ok {
			return value, true, nil
		}
	}
	return "", false, nil
}
