package corraltest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// GPUDriver stands in for NVIDIA's: a library whose cards do what a test says.
type GPUDriver struct {
	Probe string // what the agent is told to read GPUs by

	lab     *Lab
	control string
}

// GPUDriver builds one with two cards, named GPU-0 and GPU-1.
func (l *Lab) GPUDriver() *GPUDriver {
	l.T.Helper()
	dir := l.Folder("driver")
	if err := os.MkdirAll(filepath.Join(dir, "sys"), 0o700); err != nil {
		l.T.Fatal(err)
	}
	agent := filepath.Join(Root(l.T), "agent")
	run := func(name string, args ...string) string {
		l.T.Helper()
		cmd := exec.CommandContext(l.T.Context(), name, args...)
		cmd.Dir = agent
		out, err := cmd.CombinedOutput()
		if err != nil {
			l.T.Fatalf("%s: %v\n%s", cmd, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	headers := filepath.Join(run("go", "list", "-m", "-f", "{{.Dir}}", "github.com/NVIDIA/go-nvml"), "pkg", "nvml")
	library := filepath.Join(dir, "libnvidia-ml.so.1")
	run("gcc", "-shared", "-fPIC", "-O1", "-Wno-deprecated-declarations", "-I", headers, "-o", library, "internal/gpu/fakenvml/testdata/nvml.c")
	d := &GPUDriver{Probe: filepath.Join(dir, "probe"), lab: l, control: filepath.Join(dir, "control")}
	d.Say()
	script := fmt.Sprintf("#!/bin/sh\nexec env FAKE_NVML=%s %s \"$@\" --gpu auto --library %s --sys %s\n", d.control, Bin(l.T, probe), library, filepath.Join(dir, "sys"))
	if err := os.WriteFile(d.Probe, []byte(script), 0o700); err != nil { //nolint:gosec // a program
		l.T.Fatal(err)
	}
	return d
}

// Say says what the cards do from now on, beside being two; the words are those of
// the library's code.
func (d *GPUDriver) Say(lines ...string) {
	d.lab.T.Helper()
	text := strings.Join(append([]string{"cards 2"}, lines...), "\n") + "\n"
	next := d.control + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		d.lab.T.Fatal(err)
	}
	if err := os.Rename(next, d.control); err != nil { // it is read meanwhile
		d.lab.T.Fatal(err)
	}
}

// Args are an agent's that reads this driver's cards.
func (d *GPUDriver) Args() []string {
	return []string{"--gpu", "recorded:dgxh100", "--gpu-probe", d.Probe}
}
