package procs

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Environ returns the entries "NAME=value" with which the process was started
// and whose names begin with prefix. An error means that the kernel does not let
// us see them.
func (p Process) Environ(prefix string) ([]string, error) {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID) + "/environ")
	if err != nil {
		return nil, fmt.Errorf("environment of process %d: %w", p.PID, err)
	}
	var entries []string
	for entry := range bytes.SplitSeq(env, []byte{0}) {
		if bytes.HasPrefix(entry, []byte(prefix)) {
			entries = append(entries, string(entry))
		}
	}
	return entries, nil
}

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
