//go:build cgo

package probe

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/agent/internal/gpu"
	"github.com/corral-fleet/corral/agent/internal/gpu/fakenvml"
)

func TestARecordingIsWithoutWhatIdentifiesTheCards(t *testing.T) {
	lib := fakenvml.New(t)
	lib.Say(t, "mig 0")
	file := filepath.Join(t.TempDir(), "lab.jsonl")
	cmd := command(t, lib, "--record", file, "--every", "5ms")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		b, _ := os.ReadFile(file)
		if bytes.Count(b, []byte("\n")) >= 3 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("recorded was %q", b)
		}
		<-time.After(5 * time.Millisecond)
	}
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	for n := 0; ; n++ {
		var r gpu.Reading
		if err := dec.Decode(&r); errors.Is(err, io.EOF) && n >= 3 {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		if d := r.Devices[0]; d.Serial != "" || d.UUID != "GPU-lab-0000-0000-0000-000000000000" || !strings.HasPrefix(d.Parts[1].UUID, "MIG-lab-") || !d.PowerMilliwatts.Known {
			t.Errorf("recorded is %+v", d)
		}
	}
}

func TestTheCommandLine(t *testing.T) {
	lib := fakenvml.New(t)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--help"}, 0, "--every"},
		{[]string{"--version"}, 0, "corral-gpuprobe version"},
		{[]string{"--gpu", "toaster"}, 2, "toaster"},
		{[]string{"--every", "-1s"}, 2, "negative"},
		{[]string{"--log-after", "soon"}, 2, "soon"},
		{[]string{"--nonsense"}, 2, "nonsense"},
		{[]string{"nonsense"}, 2, "nonsense"},
		{[]string{"--gpu", "none"}, 0, `"source": "none"`},
		{[]string{"--gpu", "demo"}, 0, "not real"},
	} {
		cmd := command(t, lib, c.args...)
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(string(out), c.says) {
			t.Errorf("%v: exit code %d, want %d\n%s", c.args, code, c.code, out)
		}
		if strings.Contains(string(out), "--sys") {
			t.Errorf("%v: what is for tests is told:\n%s", c.args, out)
		}
	}
}
