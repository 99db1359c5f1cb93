package ollamaapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

func sumOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// send sends a file as Ollama's command line does, and returns the status.
func (h *herd) send(content, sum string) (status int, body string) {
	h.t.Helper()
	got := h.server.Do(edge.Operate, "POST", "/api/blobs/sha256:"+sum, content)
	return got.Status, got.Body
}

// A file is sent once, whoever needs it, and none that the catalogue has.
func TestBlobsAreTakenOnce(t *testing.T) {
	h := newHerd(t, three())
	sum := sumOf("GGUF one")
	head := func(sum string) int { return h.server.Do(edge.Operate, "HEAD", "/api/blobs/sha256:"+sum, "").Status }
	if got := head(sum); got != 404 {
		t.Errorf("before it was sent: %d", got)
	}
	if status, body := h.send("GGUF two", sum); status != 400 || body != `{"error":"digest mismatch, expected \"sha256:`+sum+`\", got \"sha256:`+sumOf("GGUF two")+`\""}` {
		t.Errorf("of another digest: %d %s", status, body)
	}
	if status, body := h.send(strings.Repeat("x", 1001), sum); status != 413 {
		t.Errorf("too large: %d %s", status, body)
	}
	if got := head(sum); got != 404 {
		t.Errorf("after what was refused: %d", got)
	}
	if status, body := h.send("GGUF one", sum); status != 201 || body != "" {
		t.Errorf("sent: %d %s", status, body)
	}
	if status, _ := h.send("GGUF one", sum); status != 200 {
		t.Errorf("sent again: %d", status)
	}
	if got := head(sum); got != 200 {
		t.Errorf("after it was sent: %d", got)
	}
	known := sumOf("of a model")
	h.stock.set(fleet.StoredModel{Name: "mine:latest", Files: []fleet.ModelFile{{SHA256: known, SizeBytes: 10}}})
	if got := head(known); got != 200 {
		t.Errorf("of the catalogue: %d", got)
	}
	if got := h.server.Do(edge.Operate, "POST", "/api/blobs/sha256:abc", "x"); got.Status != 400 || got.Body != `{"error":"invalid digest format"}` {
		t.Errorf("no digest: %d %s", got.Status, got.Body)
	}
	h.wantCalls()
}

// A model of files becomes one of the catalogue, with everything that is wanted of it,
// and its maker hears of it until a host has it.
func TestCreateOfFiles(t *testing.T) {
	h := newHerd(t, three())
	sum, known := sumOf("GGUF one"), sumOf("of a model")
	if status, _ := h.send("GGUF one", sum); status != 201 {
		t.Fatalf("status %d", status)
	}
	h.stock.set(fleet.StoredModel{Name: "lora:latest", Files: []fleet.ModelFile{{SHA256: known, SizeBytes: 10}}})
	go func() {
		job := <-h.stock.begun
		job.Progress("fetching", 8, 8, "")
		h.stock.arrive("beta", "made:latest", "m1")
	}()
	got := h.server.Do(edge.Operate, "POST", "/api/create", `{
		"model": "Made", "files": {"m.gguf": "sha256:`+sum+`"}, "adapters": {"a.gguf": "sha256:`+known+`"}, "quantize": "q4_K_M",
		"template": "{{ .Prompt }}", "system": "Be short.", "license": ["free"], "parameters": {"num_thread":1}, "messages": [{"role":"user"}],
		"renderer": "r", "parser": "p", "requires": "0.14.0", "info": null}`)
	lines := strings.Split(strings.TrimSpace(got.Body), "\n")
	if got.Status != 200 || lines[0] != `{"status":"storing"}` || lines[len(lines)-1] != `{"status":"success"}` ||
		!strings.Contains(got.Body, `{"status":"pulling `+known[:12]+`","digest":"sha256:`+known+`","total":8,"completed":8}`) {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	want := []models.Parcel{{
		Name: "Made", Quantize: "q4_K_M", Hosts: []string{},
		Options: loader.Options{
			Template: "{{ .Prompt }}", System: "Be short.", Licenses: []string{"free"}, Parameters: json.RawMessage(`{"num_thread":1}`),
			Messages: json.RawMessage(`[{"role":"user"}]`), Renderer: "r", Parser: "p", Requires: "0.14.0",
		},
		Files: []models.ParcelFile{{Path: "m.gguf", Local: "GGUF one", SizeBytes: 8, SHA256: sum}, {Path: "a.gguf", SizeBytes: 10, SHA256: known}},
	}}
	if diff := cmp.Diff(want, h.stock.parcels); diff != "" {
		t.Errorf("parcels (-want +got)\n%s", diff)
	}
	if _, err := h.stock.blobs.Size(sum); fault.KindOf(err) != fault.NotFound {
		t.Errorf("the blob is still there beside the model's file: %v", err)
	}
	h.wantCalls()
}

// An adapter goes to the hosts that have what it is for.
func TestCreateOfAnAdapter(t *testing.T) {
	h := newHerd(t, three())
	sum := sumOf("GGUF lora")
	if status, _ := h.send("GGUF lora", sum); status != 201 {
		t.Fatalf("status %d", status)
	}
	go func() {
		<-h.stock.begun
		h.stock.arrive("alpha", "made:latest", "m1")
	}()
	got := h.server.Do(edge.Operate, "POST", "/api/create", `{"model":"made","from":"tiny","adapters":{"a.gguf":"sha256:`+sum+`"},"license":"free","stream":false}`)
	if got.Status != 200 || got.Body != `{"status":"success"}` {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	p := h.stock.parcels[0]
	if diff := cmp.Diff([]string{"h_alpha", "h_beta"}, p.Hosts); diff != "" || p.Options.From != "tiny" || p.Options.Licenses[0] != "free" {
		t.Errorf("%+v", p)
	}
	got = h.server.Do(edge.Operate, "POST", "/api/create", `{"model":"made","from":"nope","adapters":{"a.gguf":"sha256:`+sum+`"}}`)
	if got.Status != 404 || got.Body != `{"error":"model \"nope\", which the adapter is for, is neither on a host nor in the catalogue: pull it first"}` {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

// Where no host has what an adapter is for, and the catalogue does, the placement chooses.
func TestCreateOfAnAdapterForAModelOfTheCatalogue(t *testing.T) {
	h := newHerd(t, three())
	h.stock.models["kept:latest"] = fleet.StoredModel{Name: "kept:latest", Files: []fleet.ModelFile{{SHA256: "k"}}}
	sum := sumOf("GGUF lora")
	if status, _ := h.send("GGUF lora", sum); status != 201 {
		t.Fatalf("status %d", status)
	}
	go func() {
		<-h.stock.begun
		h.stock.arrive("alpha", "made:latest", "m1")
	}()
	got := h.server.Do(edge.Operate, "POST", "/api/create", `{"model":"made","from":"kept","adapters":{"a.gguf":"sha256:`+sum+`"},"stream":false}`)
	if p := h.stock.parcels[0]; got.Status != 200 || p.Hosts == nil || len(p.Hosts) > 0 || p.Options.From != "kept" {
		t.Errorf("%d %s; %+v", got.Status, got.Body, p)
	}
}

// What is made of a model is made on all hosts that have it, by their Ollamas.
func TestCreateOfAModel(t *testing.T) {
	h := newHerd(t, three())
	for _, host := range []string{"alpha", "beta"} {
		h.pulls(host, "brief:latest", "b1", line(`{"status":"using existing layer sha256:abc"}`), line(`{"status":"writing manifest"}`), line(`{"status":"success"}`))
	}
	const body = `{"model":"brief","from":"tiny","system":"Be brief."}`
	wantLines(t, h.server.Do(edge.Operate, "POST", "/api/create", body),
		`{"status":"using existing layer sha256:abc"}`, `{"status":"writing manifest"}`, `{"status":"success"}`)
	h.wantCalls("alpha POST /api/create "+body, "beta POST /api/create "+body)
	h.wantListed("brief:latest", "hf.co/Acme/Loop:Q4", "other:latest", "tiny:latest")

	// One that only the catalogue has is brought first.
	h.stock.set(fleet.StoredModel{Name: "mine:latest", Files: []fleet.ModelFile{{SHA256: "0123456789abcdef", SizeBytes: 10}}})
	go func() {
		<-h.stock.begun
		h.stock.arrive("beta", "mine:latest", "m1")
	}()
	got := h.server.Do(edge.Operate, "POST", "/api/create", `{"model":"brief","from":"mine","stream":false}`)
	if got.Status != 200 || got.Body != `{"status":"success"}` {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	h.wantCalls(`beta POST /api/create {"model":"brief","from":"mine","stream":false}`)

	// An Ollama would look elsewhere for one that it has in another case.
	got = h.server.Do(edge.Operate, "POST", "/api/create", `{"model":"brief","from":"HF.co/acme/loop:q4","stream":false}`)
	if got.Status != 200 || got.Body != `{"status":"success"}` {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	h.wantCalls(`alpha POST /api/create {"from":"hf.co/Acme/Loop:Q4","model":"brief","stream":false}`)
}

func TestCreationsThatFail(t *testing.T) {
	h := newHerd(t, three())
	sum := sumOf("no model")
	if status, _ := h.send("no model", sum); status != 201 {
		t.Fatalf("status %d", status)
	}
	h.stock.refuses = fault.New(fault.Corrupt, "the file is no GGUF")
	got := h.server.Do(edge.Operate, "POST", "/api/create", `{"model":"made","files":{"m.gguf":"sha256:`+sum+`"}}`)
	if !strings.HasSuffix(got.Body, line(`{"error":"the file is no GGUF"}`)) {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	missing := "sha256:" + sumOf("nobody sent it")
	for body, want := range map[string]struct {
		status int
		body   string
	}{
		``:                 {400, `{"error":"missing request body"}`},
		`{"from":"tiny"}`:  {400, `{"error":"invalid model name"}`},
		`{"model":"made"}`: {400, `{"error":"neither 'from' or 'files' was specified"}`},
		`{"model":"made","files":{"../m.gguf":"x"}}`:                          {400, `{"error":"file path must be relative"}`},
		`{"model":"made","files":{"m.gguf":"x"}}`:                             {400, `{"error":"invalid digest format"}`},
		`{"model":"made","files":{"m.gguf":"` + missing + `"}}`:               {400, `{"error":"blob \"` + missing + `\" not found"}`},
		`{"model":"made","from":"tiny","quantize":"forbidden"}`:               {403, `{"error":"nothing is quantised here"}`},
		`{"model":"made","files":{"m.gguf":"x"},"info":{"model_family":"x"}}`: {501, `{"error":"info is left to one host: here it is the files that say what a model is; name the host by ?host=NAME or by the header field Corral-Target"}`},
	} {
		if got := h.server.Do(edge.Operate, "POST", "/api/create", body); got.Status != want.status || got.Body != want.body {
			t.Errorf("%s: %d %s, want %d %s", body, got.Status, got.Body, want.status, want.body)
		}
	}
	h.wantCalls()
}
