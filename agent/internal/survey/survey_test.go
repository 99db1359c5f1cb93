package survey

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/agent/internal/realollama"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// device puts a device onto a bus.
func device(t *testing.T, sys, address, class, vendor string) {
	t.Helper()
	dir := filepath.Join(sys, "bus/pci/devices", address)
	write(t, filepath.Join(dir, "class"), class+"\n")
	write(t, filepath.Join(dir, "vendor"), vendor+"\n")
}

func TestGPUsAreThoseThatCompute(t *testing.T) {
	sys, proc := t.TempDir(), t.TempDir()
	device(t, sys, "0000:00:02.0", "0x030000", "0x1a03") // a server's console
	device(t, sys, "0000:3b:00.0", "0x030200", "0x10de")
	device(t, sys, "0000:5e:00.0", "0x030200", "0x10de") // of which the driver doesn't tell
	device(t, sys, "0000:5f:00.0", "0x020000", "0x10de") // a network card of the same vendor
	device(t, sys, "0000:c1:00.0", "0x120000", "0x1002")
	write(t, filepath.Join(sys, "bus/pci/devices/0000:d0:00.0/vendor"), "0x10de\n") // without a class
	write(t, filepath.Join(proc, "driver/nvidia/gpus/0000:3b:00.0/information"), "Model: \t\t NVIDIA A100-SXM4-40GB\nIRQ:   42\n")
	write(t, filepath.Join(proc, "driver/nvidia/version"),
		"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15  Release Build  (dvs-builder)\nGCC version:  gcc 12.2.0\n")
	p := pci{sys: sys, proc: proc}
	want := []GPU{
		{"0000:3b:00.0", "NVIDIA", "NVIDIA A100-SXM4-40GB"},
		{"0000:5e:00.0", "NVIDIA", ""},
		{"0000:c1:00.0", "AMD", ""},
	}
	if diff := cmp.Diff(want, p.gpus()); diff != "" {
		t.Error(diff)
	}
	if got := p.driver(); got != "550.54.15" {
		t.Errorf("driver %q", got)
	}
	none := pci{sys: t.TempDir(), proc: t.TempDir()}
	if got := none.gpus(); got != nil || none.driver() != "" {
		t.Errorf("on a machine without any: %v, %q", got, none.driver())
	}
}

func TestTheDiskOfAFolderThatIsNotThereYet(t *testing.T) {
	dir := t.TempDir()
	there, err := DiskOf(dir)
	if err != nil || there.TotalBytes == 0 || there.FreeBytes > there.TotalBytes {
		t.Fatalf("%+v, %v", there, err)
	}
	missing, err := DiskOf(filepath.Join(dir, "a", "b"))
	if err != nil || missing.TotalBytes != there.TotalBytes {
		t.Errorf("%+v, %v; want the disk of %+v", missing, err, there)
	}
}

// TestARealOllama looks at an Ollama that somebody set up.
func TestARealOllama(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address, models := l.Addr().String(), t.TempDir()
	l.Close()
	cmd := exec.Command(realollama.Bin(t), "serve")
	cmd.Env = []string{
		"HOME=" + t.TempDir(), "OLLAMA_HOST=" + address, "OLLAMA_MODELS=" + models, "OLLAMA_API_KEY=hush", "OLLAMA_NUM_PARALLEL=3", "OTHER=x",
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	var client net.Conn
	for late := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if client, err = net.Dial("tcp", address); err == nil {
			break
		}
		if time.Now().After(late) {
			t.Fatal(err)
		}
	}
	defer client.Close()
	h := Look(t.Context(), Options{OllamaURL: "http://" + address, Folders: []string{models}})
	o := h.Ollama
	if o.Err != nil || o.Version == "" || o.PID != cmd.Process.Pid || o.Process != "ollama" || o.ModelsDir != models || o.Exposed || o.Hidden {
		t.Errorf("found %+v", o)
	}
	want := []string{"OLLAMA_API_KEY=***", "OLLAMA_HOST=" + address, "OLLAMA_MODELS=" + models, "OLLAMA_NUM_PARALLEL=3"}
	if diff := cmp.Diff(want, o.Environment); diff != "" {
		t.Error(diff)
	}
	if !slices.ContainsFunc(o.Clients, func(c string) bool { return strings.HasPrefix(c, "survey.test (process ") }) {
		t.Errorf("in use by %v, not by this test", o.Clients)
	}
	if h.Hostname == "" || h.CPUCores == 0 || h.MemoryBytes == 0 || len(h.Disks) == 0 {
		t.Errorf("the machine is %+v", h)
	}
}

func TestWhatAnswersIsNoOllama(t *testing.T) {
	for what, answer := range map[string]http.HandlerFunc{
		"a web site":    func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) },
		"nothing there": http.NotFound,
		"an endless list": func(w http.ResponseWriter, r *http.Request) {
			w.Write([]byte(`{"models":[` + strings.Repeat(" ", 17<<20)))
		},
	} {
		server := httptest.NewServer(answer)
		if o := lookAtOllama(t.Context(), server.URL); o.Err == nil {
			t.Errorf("%s counts as an Ollama: %+v", what, o)
		}
		server.Close()
	}
}
