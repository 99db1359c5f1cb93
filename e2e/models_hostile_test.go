package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/loader/loadertest"
)

// besieged is a control plane with one host, to which strangers send what they like.
type besieged struct {
	controlplane *corraltest.ControlPlane
	agent        *corraltest.Agent
	operator     *corraltest.Caller
	models       string // the folder of the host's Ollama
}

// TestWhatStrangersSend sends what is no model, and what is no request, to a control plane
// with a host. All of it is refused with a sentence, nothing of it stays, and the host's
// Ollama never sees any.
func TestWhatStrangersSend(t *testing.T) {
	t.Parallel()
	b, _ := besiege(t)
	// Of a single host's Ollama the ways of Ollama's own are that host's.
	b.controlplane.Agent(corraltest.AgentOptions{Name: "two"}).AwaitConnected(connectLimit)
	for _, part := range []struct {
		name string
		test func(*testing.T, *besieged)
	}{
		{"files", sendFiles}, {"names", sendNames}, {"pieces", sendPieces}, {"requests", sendRequests}, {"frames", sendFrames}, {"at once", sendAtOnce}, {"what they cancel", cancelEach},
	} {
		t.Run(part.name, func(t *testing.T) {
			own := *b.operator
			own.T = t
			with := *b
			with.operator = &own
			part.test(t, &with)
			with.wantNothingLeft(t)
		})
	}
	if log := b.controlplane.Log(); bytes.Contains(log, []byte("panic")) || bytes.Contains(log, []byte("DATA RACE")) {
		t.Error("the control plane panicked")
	}
}

// wantNothingLeft wants that no model, no file and no operation is left.
func (b *besieged) wantNothingLeft(t *testing.T) {
	t.Helper()
	corraltest.Await(t, modelLimit, "nothing is left", func() error {
		var models []catalogued
		b.operator.Get("/api/models").JSON(&models)
		var waiting, running []object
		b.operator.Get("/api/operations?state=waiting").JSON(&waiting)
		b.operator.Get("/api/operations?state=running").JSON(&running)
		var listing struct{ Files []object }
		b.operator.Get("/api/storage/default/files?flat=true").JSON(&listing)
		left := fmt.Sprintf("%+v %v %v", models, append(waiting, running...), listing.Files)
		for _, folder := range []string{"uploads", "arrivals", "blobs"} {
			entries, err := os.ReadDir(filepath.Join(b.controlplane.DataDir, folder))
			if err != nil && !os.IsNotExist(err) {
				return err
			}
			for _, e := range entries {
				left += " " + folder + "/" + e.Name()
			}
		}
		for _, blob := range blobsOf(t, b.models) {
			if !strings.Contains(blob, "partial") { // which stay for a day, for who asks again
				left += " blob " + blob
			}
		}
		if left != "[] [] []" {
			return fmt.Errorf("left are %s", left)
		}
		return nil
	})
}

// wantRefused wants an answer that refuses, with a sentence.
func wantRefused(t *testing.T, what string, a corraltest.Answer) {
	t.Helper()
	var said struct{ Error string }
	if a.Status < 400 || a.Status == 500 || a.Status == 502 {
		t.Errorf("%s: status %d %s", what, a.Status, a.Body)
	} else if json.Unmarshal([]byte(a.Body), &said) != nil || len(said.Error) < 8 || strings.Contains(said.Error, "something went wrong") {
		t.Errorf("%s: status %d without a sentence: %s", what, a.Status, a.Body)
	}
}

// uploadFiles uploads the files of a model in a form.
func (b *besieged) uploadFiles(t *testing.T, fields map[string]string, files map[string][]byte) corraltest.Answer {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range fields {
		if err := form.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range files {
		part, err := form.CreateFormFile("file", name)
		if err == nil {
			_, err = part.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	return b.operator.Do("POST", "/api/models", body.String(), "Content-Type", form.FormDataContentType())
}

// purge deletes a model for good.
func (b *besieged) purge(t *testing.T, name string) {
	t.Helper()
	if got := b.operator.Do("DELETE", "/api/models/"+name+"?purge=true", nil); got.Status != 200 {
		t.Errorf("delete %s: %d %s", name, got.Status, got.Body)
	}
}

// strangeFile is how large a file is at most that is uploaded here.
const strangeFile = 1 << 20

// sendFiles uploads what has brought an Ollama down, what no loader knows, and archives.
func sendFiles(t *testing.T, b *besieged) {
	bad := archives(t)
	bad["a pickle"] = map[string][]byte{"pytorch_model.bin": []byte("\x80\x02cposix\nsystem\n")}
	for _, sample := range loadertest.Corpus() {
		if sample.Format != "" && (sample.Bad == "" || sample.Format != loadertest.GGUF) {
			continue
		}
		files := map[string][]byte{}
		for _, f := range sample.Files.List() {
			if f.SizeBytes > strangeFile {
				files = nil
				break
			}
			content := make([]byte, f.SizeBytes)
			if n, err := sample.Files.ReadAt(t.Context(), f.Path, content, 0); n < len(content) {
				t.Fatalf("%s: %v", sample.Name, err)
			}
			files[f.Path] = content
		}
		if files != nil {
			bad[sample.Name] = files
		}
	}
	var came atomic.Int64
	whats := make(chan string, len(bad))
	for what := range bad {
		whats <- what
	}
	close(whats)
	few(whats, func(what string) {
		name := fmt.Sprintf("strange:%d", came.Add(1))
		answer := b.uploadFiles(t, map[string]string{"name": name, "hosts": "all"}, bad[what])
		if answer.Status != 200 {
			wantRefused(t, what, answer)
			return
		}
		m := awaitModel(t, b.operator, name, "is refused, which is "+what, func(m catalogued) bool { return m.Status == "failed" && m.Progress == nil })
		if len(m.Problems) != 1 || len(m.Problems[0]) < 8 || strings.Contains(m.Problems[0], "something went wrong") {
			t.Errorf("%s: the problems are %q", what, m.Problems)
		}
		if _, pickled := bad[what]["pytorch_model.bin"]; pickled && len(bad[what]) == 1 && !strings.Contains(m.Problems[0], "to read one is to run it") {
			t.Errorf("%s is refused without the reason: %q", what, m.Problems)
		}
		wantRefused(t, "a download of "+what, b.operator.Post("/api/models/"+name+"/download", object{"hosts": []string{"one"}}))
		b.purge(t, name)
	})
}

// few does something with each of a list, with few at once.
func few(list <-chan string, do func(string)) {
	atOnce(3, func(int) {
		for one := range list {
			do(one)
		}
	})
}

// archives are some that lead out of where they are unpacked, or have no end.
func archives(t *testing.T) map[string]map[string][]byte {
	t.Helper()
	all := map[string]map[string][]byte{}
	model := tiny(t, tinymodel.Options{Layers: 1})[:1000]
	for what, headers := range map[string][]tar.Header{
		"an archive that leads upwards":         {{Name: "../../../../tmp/model.gguf", Typeflag: tar.TypeReg, Size: 1000}},
		"an archive of an absolute path":        {{Name: "/etc/model.gguf", Typeflag: tar.TypeReg, Size: 1000}},
		"an archive with a link":                {{Name: "model.gguf", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}},
		"an archive with a link and what is in": {{Name: "out", Typeflag: tar.TypeSymlink, Linkname: "/tmp"}, {Name: "out/model.gguf", Typeflag: tar.TypeReg, Size: 1000}},
		"an archive with a hard link":           {{Name: "model.gguf", Typeflag: tar.TypeLink, Linkname: "../../corral.db"}},
		"an archive with a device":              {{Name: "model.gguf", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 5}},
	} {
		var plain, packed bytes.Buffer
		w := tar.NewWriter(&plain)
		for _, h := range headers {
			h.Mode = 0o644
			err := w.WriteHeader(&h)
			if err == nil && h.Size > 0 {
				_, err = w.Write(model)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		z := gzip.NewWriter(&packed)
		if _, err := z.Write(plain.Bytes()); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		all[what] = map[string][]byte{"model.tar": plain.Bytes()}
		all[what+", packed"] = map[string][]byte{"model.tar.gz": packed.Bytes()}
	}
	var part bytes.Buffer
	z := gzip.NewWriter(&part)
	if _, err := z.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	all["an archive of 256 MiB of nothing"] = map[string][]byte{"model.tar.gz": bytes.Repeat(part.Bytes(), 256)}
	return all
}
