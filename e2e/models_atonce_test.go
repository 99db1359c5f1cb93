package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// tus sends a request of the protocol for uploads.
func (b *besieged) tus(method, path, body string, header ...string) corraltest.Answer {
	header = append(header, "Tus-Resumable", "1.0.0", "Content-Type", "application/offset+octet-stream")
	if method != "PATCH" {
		return b.operator.Do(method, path, nil, header...)
	}
	return b.operator.Do(method, path, body, header...)
}

// atOnce does the same many times, all at once.
func atOnce(times int, do func(i int)) {
	var working sync.WaitGroup
	for i := range times {
		working.Go(func() { do(i) })
	}
	working.Wait()
}

// sendAtOnce asks for the same by many, and for its contrary.
func sendAtOnce(t *testing.T, b *besieged) {
	content := string(tiny(t, tinymodel.Options{}))
	got := b.tus("POST", "/api/uploads", "", "Upload-Length", fmt.Sprint(len(content)), "Upload-Metadata", metadataOf("name", "many"))
	if got.Status != http.StatusCreated {
		t.Fatalf("create: %d %s", got.Status, got.Body)
	}
	at := got.Header.Get("Location")
	statuses := make([]int, 8)
	atOnce(len(statuses), func(i int) { statuses[i] = b.tus("PATCH", at, content, "Upload-Offset", "0").Status })
	for _, status := range statuses {
		if !slices.Contains([]int{204, 409, 423}, status) {
			t.Errorf("of many at one upload some hear %v", statuses)
			break
		}
	}
	for { // until one of them would have been done
		var offset int
		if _, err := fmt.Sscan(b.tus("HEAD", at, "").Header.Get("Upload-Offset"), &offset); err != nil {
			t.Fatal(err)
		}
		if offset == len(content) {
			break
		}
		if got := b.tus("PATCH", at, content[offset:], "Upload-Offset", fmt.Sprint(offset)); got.Status != 204 {
			t.Fatalf("the rest: %d %s", got.Status, got.Body)
		}
	}
	awaitModel(t, b.operator, "many", "is stored", func(m catalogued) bool { return m.Status == "stored" && m.Progress == nil })

	atOnce(50, func(int) {
		if got := b.operator.Post("/api/models/many/download", object{"hosts": []string{"one"}}); got.Status != 202 {
			t.Errorf("download: %d %s", got.Status, got.Body)
		}
	})
	awaitModel(t, b.operator, "many", "is on the host", func(m catalogued) bool { return len(on(m)) == 1 && m.Progress == nil })
	var operations []struct{ Kind, Model, State string }
	b.operator.Get("/api/operations").JSON(&operations)
	downloads := 0
	for _, o := range operations {
		if o.Kind == "download" && strings.HasPrefix(o.Model, "many") {
			downloads++
		}
	}
	if downloads != 1 {
		t.Errorf("the same was fetched %d times: %+v", downloads, operations)
	}
	// What is deleted and wanted at once is the one or the other in the end, and no half.
	atOnce(8, func(i int) {
		if i%2 == 0 {
			b.operator.Do("DELETE", "/api/models/many?purge=true", nil)
		} else {
			b.operator.Post("/api/models/many/download", object{"hosts": []string{"one"}})
		}
	})
	b.operator.Do("DELETE", "/api/models/many?purge=true", nil) // it may be gone already
	awaitModel(t, b.operator, "many", "is gone", func(m catalogued) bool { return m.Status == "" })

	// Of several of one name, one is it in the end.
	files := make([][]byte, 4)
	for i := range files {
		files[i] = tiny(t, tinymodel.Options{Layers: 1, Seed: uint64(i + 1)})
	}
	atOnce(len(files), func(i int) {
		if got := b.uploadFiles(t, map[string]string{"name": "same"}, map[string][]byte{"same.gguf": files[i]}); got.Status != 200 {
			t.Errorf("upload: %d %s", got.Status, got.Body)
		}
	})
	awaitModel(t, b.operator, "same", "is stored", func(m catalogued) bool { return m.Status == "stored" && m.Progress == nil })
	var listing struct{ Files []object }
	corraltest.Await(t, modelLimit, "the storage has one of them", func() error {
		b.operator.Get("/api/storage/default/files?flat=true").JSON(&listing)
		if len(listing.Files) != 1 {
			return fmt.Errorf("it has %v", listing.Files)
		}
		return nil
	})
	b.purge(t, "same")
}

// cancelEach cancels a model in each phase of its way into the catalogue.
func cancelEach(t *testing.T, b *besieged) {
	content := tiny(t, tinymodel.Options{Seed: 9})
	cancel := func(kind, model, phase string, then func()) {
		t.Helper()
		o := b.awaitOperation(t, kind, model, "is "+phase, func(o operation) bool { return o.State == "running" && o.Phase == phase })
		if got := b.operator.Post("/api/operations/"+o.ID+"/cancel", nil); got.Status != 202 {
			t.Errorf("cancel while %s: %d %s", phase, got.Status, got.Body)
		}
		then()
		b.awaitOperation(t, kind, model, "is cancelled", func(now operation) bool { return now.ID == o.ID && now.State == "cancelled" })
	}
	half := b.tus("POST", "/api/uploads", "", "Upload-Length", "8", "Upload-Metadata", metadataOf("name", "half"))
	at := half.Header.Get("Location")
	if got := b.tus("PATCH", at, "GGUF", "Upload-Offset", "0"); got.Status != 204 {
		t.Fatalf("the first half: %d %s", got.Status, got.Body)
	}
	cancel("upload", "half", "receiving", func() {})
	if got := b.tus("PATCH", at, "GGUF", "Upload-Offset", "4"); got.Status != 404 {
		t.Errorf("what was cancelled goes on: %d %s", got.Status, got.Body)
	}
	for _, stage := range []struct{ kind, name, phase string }{{"storage", "fs", "storing"}, {"loader", "gguf", "inspecting"}} {
		pid := b.plugin(t, stage.kind, stage.name)
		stop(t, pid)
		if got := b.uploadFiles(t, map[string]string{"name": stage.name, "hosts": "one"}, map[string][]byte{"m.gguf": content}); got.Status != 200 {
			t.Fatalf("upload: %d %s", got.Status, got.Body)
		}
		cancel("store", stage.name, stage.phase, func() { signal(t, pid, syscall.SIGCONT) })
		awaitModel(t, b.operator, stage.name, "is gone", func(m catalogued) bool { return m.Status == "" })
	}
}
