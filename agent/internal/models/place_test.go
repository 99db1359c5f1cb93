package models

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/corral-fleet/corral/agent/internal/realollama"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// onDisk returns the path of a file beside a server's models.
func onDisk(t *testing.T, s *realollama.Server, file []byte) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(s.ModelsDir), "upload.gguf")
	if err := os.WriteFile(path, file, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFileOnTheHostIsPlaced(t *testing.T) {
	t.Parallel()
	for name, bin := range map[string]string{"oldest": realollama.Bin(t), "newest": realollama.Newest(t)} {
		t.Run(name, func(t *testing.T) { placed(t, realollama.Serve(t, bin), name == "oldest") })
	}
}

func placed(t *testing.T, s *realollama.Server, runs bool) {
	t.Helper()
	file := tiny(t, tinymodel.Options{})
	o := newOrigin(t, nil)
	job := plain("tiny", file, o.URL+"/m")
	path := onDisk(t, s, file)
	job.Sources["model.gguf"] = work.Source{SizeBytes: int64(len(file)), SHA256: shaOf(file), Path: path, URLs: []string{o.URL + "/m"}}
	e := executor(t, s)
	got, err := e.Run(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	if got.Path != wayPlace || o.requests.Load() != 0 {
		t.Errorf("it came as %+v, with %d requests", got, o.requests.Load())
	}
	if runs {
		if said := ask(t, s, "tiny"); said != tinymodel.DefaultReply {
			t.Errorf("it says %q", said)
		}
	}
	info, err := os.Stat(filepath.Join(s.ModelsDir, "blobs", "sha256-"+shaOf(file)))
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the blob's mode is %v, %v", info.Mode(), err)
	}
	if _, err := e.Run(t.Context(), &work.Job{Kind: work.Remove, Model: "tiny"}); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadFile(path); err != nil || !bytes.Equal(left, file) {
		t.Errorf("the file itself is not what it was: %v", err)
	}
}

func TestAFileOnTheHostThatIsNotTheModel(t *testing.T) {
	t.Parallel()
	s := realollama.Serve(t, realollama.Bin(t))
	file := tiny(t, tinymodel.Options{})
	other := slices.Clone(file)
	other[len(other)-1]++
	job := plain("tiny", file)
	job.Sources["model.gguf"] = work.Source{SizeBytes: int64(len(file)), Path: onDisk(t, s, other)}
	e := executor(t, s)
	if _, err := e.Run(t.Context(), job); fault.KindOf(err) != fault.Corrupt || fault.SideOf(err) != fault.Host {
		t.Errorf("it ended with %v", err)
	}
	unoffered(t, e)
	if left := s.Blobs(); len(left) > 0 {
		t.Errorf("among the blobs are %v", left)
	}
}

// A folder that is somebody else's is not written to: the file goes in by a pull.
func TestNothingIsPlacedInSomebodyElsesFolder(t *testing.T) {
	t.Parallel()
	s := realollama.Serve(t, realollama.Bin(t))
	file := tiny(t, tinymodel.Options{})
	job := plain("tiny", file)
	job.Sources["model.gguf"] = work.Source{SizeBytes: int64(len(file)), Path: onDisk(t, s, file)}
	e := executor(t, s)
	e.host.Ours = false
	if got, err := e.Run(t.Context(), job); err != nil || got.Path != wayPull {
		t.Errorf("it came as %+v, %v", got, err)
	}
}
