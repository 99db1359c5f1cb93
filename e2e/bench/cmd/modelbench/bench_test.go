package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/e2e/bench/stage"
	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// TestARunOfLittleHasAllFigures measures a small model once.
func TestARunOfLittleHasAllFigures(t *testing.T) {
	out := filepath.Join(t.TempDir(), "models.md")
	args := []string{
		"-controlplane", corraltest.Bin(t, "corral-controlplane"), "-agent", corraltest.Bin(t, "corral-agent"), "-ollama", ollamatest.Bin(t),
		"-dir", t.TempDir(), "-file", "8", "-rounds", "1", "-shared-file", "8", "-hosts", "3", "-out", out,
	}
	if err := run(t.Context(), args, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| ollama create ", "| same file system ", "| HTTP, control plane ", "| one file ", "| 100 files ", "| a vocabulary of 256 Ki ", "| 3 hosts ", "cores, Linux"} {
		if !strings.Contains(string(kept), want) {
			t.Errorf("no %q in\n%s", want, kept)
		}
	}
	for line := range strings.Lines(string(kept)) { // these hold however small the model and slow the machine
		if strings.Contains(line, "progress that is not one") && !strings.HasSuffix(strings.TrimSpace(line), "met |") {
			t.Error(line)
		}
	}
}

// TestProgressOfWhatIsMadeOnTheHost brings models that are not simply files: one that is
// quantised, and one that was split, of which the digest is found out first.
func TestProgressOfWhatIsMadeOnTheHost(t *testing.T) {
	st, err := stage.New()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := st.Close(nil); err != nil {
			t.Error(err)
		}
	}()
	o := options{controlPlane: corraltest.Bin(t, "corral-controlplane"), agent: corraltest.Bin(t, "corral-agent"), ollama: ollamatest.Bin(t), dir: t.TempDir()}
	s, err := newScene(t.Context(), st, o)
	if err != nil {
		t.Fatal(err)
	}
	stored := filepath.Join(s.dir, "stored")
	if err := s.storage(t.Context(), "disk", "fs", map[string]string{"directory": stored}); err != nil {
		t.Fatal(err)
	}
	h, err := s.host(t.Context(), "host", without(stored)...)
	if err != nil {
		t.Fatal(err)
	}
	var whole bytes.Buffer
	if err := tinymodel.Write(&whole, shaped(24<<20)); err != nil {
		t.Fatal(err)
	}
	upload := func(name string, content []byte) client.UploadFile {
		return client.UploadFile{Name: name, Content: bytes.NewReader(content), SizeBytes: int64(len(content))}
	}
	var parts []client.UploadFile
	for name, content := range gguftest.Split(whole.Bytes(), "m", 3) {
		parts = append(parts, upload(name, content))
	}
	for _, m := range []client.ModelUpload{
		{Name: "quantised", Storage: "disk", Quantize: "q8_0", Files: []client.UploadFile{upload("m.gguf", whole.Bytes())}},
		{Name: "split", Storage: "disk", Files: parts},
	} {
		if err := s.upload(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		c, err := s.bring(t.Context(), m.Name, h)
		if err != nil || c.wrong != 0 {
			t.Errorf("%s: its progress was none %d times, in %v, %v", m.Name, c.wrong, c.steps, err)
		}
		t.Log(m.Name, c.took, c.steps)
	}
}

func TestOptions(t *testing.T) {
	good := []string{"-controlplane", "c", "-agent", "a", "-ollama", "o"}
	for _, args := range [][]string{{}, {"more"}, {"-rounds", "0"}, {"-file", "0"}, {"-hosts", "0"}, {"-shared-file", "0"}, {"-parts", "ready,nothing"}} {
		if len(args) > 0 {
			args = append(append([]string{}, good...), args...)
		}
		if _, err := parseOptions(args, io.Discard); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
	o, err := parseOptions(append(good, "-parts", "inspect"), io.Discard)
	if err != nil || o.wants("ready") || !o.wants("inspect") {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestModelsAreAsLargeAsIsSaid(t *testing.T) {
	size, err := writeModel(filepath.Join(t.TempDir(), "m"), 8<<20)
	if err != nil || size < 7<<20 || size > 9<<20 {
		t.Errorf("a file of 8 MiB has %d bytes, %v", size, err)
	}
	weights := func(sizeBytes int64) int64 { // without the vocabulary
		o := shaped(sizeBytes)
		return int64(o.Layers) * int64(3*o.Dim*o.Dim+3*o.Dim*o.FeedForward) * 2
	}
	for _, mib := range []int64{64, 65, 512, 2048, 2049, 16 << 10} {
		if got, want := weights(mib<<20), mib<<20; got < want*95/100 || got > want*105/100 {
			t.Errorf("of %d MiB it has %d", mib, got>>20)
		}
	}
}

func TestDiskUse(t *testing.T) {
	store, storage := t.TempDir(), t.TempDir()
	content := make([]byte, 1<<20)
	stored := filepath.Join(storage, "file")
	for _, path := range []string{stored, filepath.Join(store, "own")} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"shared", "shared-again"} {
		if err := os.Link(stored, filepath.Join(store, name)); err != nil {
			t.Fatal(err)
		}
	}
	watch := watchDisk([]string{store, filepath.Join(store, "nothing")}, nil)
	if peak, now, err := watch.end(); err != nil || peak != 2<<20 || now != 2<<20 {
		t.Errorf("%d, at most %d, %v", now, peak, err)
	}
	others, err := inodes(storage)
	if err != nil {
		t.Fatal(err)
	}
	if own, err := diskUse([]string{store}, others); err != nil || own != 1<<20 {
		t.Errorf("without the storage's %d, %v", own, err)
	}
}

func TestASplitModelIsTheSame(t *testing.T) {
	whole := seventy(100)
	want := whole.Read().Tensors
	var got []string
	files := splitUp(whole, 7)
	for _, f := range files {
		for _, tensor := range f.Read().Tensors {
			got = append(got, tensor.Name)
		}
	}
	var names []string
	for _, tensor := range want {
		names = append(names, tensor.Name)
	}
	if diff := cmp.Diff(names, got); diff != "" || len(files) != 7 {
		t.Errorf("%d files (-whole +split)\n%s", len(files), diff)
	}
}
