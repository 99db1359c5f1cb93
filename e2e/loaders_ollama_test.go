package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/loader/loadertest"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// TestWhatALoaderPlansAnswers has the agent's worker carry out recipes of loader-gguf in a
// real Ollama, talks with what came of them, and looks at what the models are told.
func TestWhatALoaderPlansAnswers(t *testing.T) {
	t.Parallel()
	const reply, prompt = "All is well.", "<|im_start|>user\nWell?<|im_end|>\n<|im_start|>assistant\n"
	whole := tiny(t, tinymodel.Options{Reply: reply})
	l, _ := startLoader(t, "loader-gguf")
	server := ollamatest.Start(t, ollamatest.Options{})
	for name, files := range map[string]map[string][]byte{
		"whole": {"tiny.gguf": whole}, "split": gguftest.Split(whole, "tiny", 3),
	} {
		folder, recipe := planned(t, l, files, loader.Options{})
		perform(t, server.URL, load(name, folder, recipe))
		if said, told := chat(t, server.URL, name); said != reply || told != prompt {
			t.Errorf("%s: it is told %q, and answers %q", name, told, said)
		}
		// Without a template it is told what was said: Ollama does not look for one in what
		// it pulls.
		recipe.Layers = slices.DeleteFunc(recipe.Layers, func(l loader.Layer) bool { return l.Role == loader.RoleTemplate })
		perform(t, server.URL, load(name+"-without", folder, recipe))
		if _, told := chat(t, server.URL, name+"-without"); told != "Well?" {
			t.Errorf("%s: without a template it is told %q", name, told)
		}
		folder, recipe = planned(t, l, files, loader.Options{Quantize: "q4_K_M", System: "Be brief."})
		perform(t, server.URL, load(name+"-quantised", folder, recipe))
		if said, told := chat(t, server.URL, name+"-quantised"); said != reply || told != "<|im_start|>system\nBe brief.<|im_end|>\n"+prompt {
			t.Errorf("%s, quantised: it is told %q, and answers %q", name, told, said)
		}
	}
	// A Modelfile makes another one of a model that is there.
	modelfile, _ := startLoader(t, "loader-modelfile")
	folder, recipe := planned(t, modelfile, map[string][]byte{"Modelfile": []byte("FROM whole\nSYSTEM Be brief.\nPARAMETER num_ctx 2048\n")}, loader.Options{})
	perform(t, server.URL, load("mine", folder, recipe))
	if said, told := chat(t, server.URL, "mine"); said != reply || told != "<|im_start|>system\nBe brief.<|im_end|>\n"+prompt {
		t.Errorf("by a Modelfile: it is told %q, and answers %q", told, said)
	}
}

// planned writes files to a folder, and returns that with the recipe of them.
func planned(t *testing.T, l loader.Loader, content map[string][]byte, o loader.Options) (folder string, recipe loader.Recipe) {
	t.Helper()
	folder = t.TempDir()
	for name, b := range content {
		if err := os.WriteFile(filepath.Join(folder, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := loadertest.Folder(folder)
	if err != nil {
		t.Fatal(err)
	}
	info, err := l.Inspect(t.Context(), files)
	if err == nil {
		recipe, err = l.Plan(t.Context(), loader.Request{Info: info, Options: o, Ollama: "0.17.4"})
	}
	if err != nil {
		t.Fatal(err)
	}
	return folder, recipe
}

// load is the job to make a model of a recipe whose files are in a folder.
func load(name, folder string, recipe loader.Recipe) work.Job {
	job := work.Job{ID: name, Kind: work.Load, Model: name + ":latest", Recipe: &recipe, Sources: map[string]work.Source{}}
	for _, l := range recipe.Layers {
		for _, p := range l.Parts {
			if info, err := os.Stat(filepath.Join(folder, p.File)); p.File != "" && err == nil {
				job.Sources[p.File] = work.Source{SizeBytes: info.Size(), Path: filepath.Join(folder, p.File)}
			}
		}
	}
	return job
}

// perform has the worker do a job, which has to work.
func perform(t *testing.T, ollama string, job work.Job) {
	t.Helper()
	order, err := json.Marshal(map[string]any{"host": map[string]any{"id": "one", "ollama": ollama, "data_dir": t.TempDir()}, "job": job})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(corraltest.Bin(t, "corral-modelworker"))
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer lifeline.Close()
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, err = lifeline.Write(append(order, '\n'))
	if ended := cmd.Wait(); err != nil || ended != nil {
		t.Fatalf("%v, %v\n%s", err, ended, &log)
	}
	var last work.Event
	for lines := bufio.NewScanner(&out); lines.Scan(); {
		last = work.Event{}
		if err := json.Unmarshal(lines.Bytes(), &last); err != nil {
			t.Fatal(err)
		}
	}
	if last.Done == nil {
		t.Fatalf("%+v\n%s", last.Failed, &log)
	}
}

// chat returns what a model answers, and what it is told for that.
func chat(t *testing.T, ollama, model string) (said, told string) {
	t.Helper()
	var answer struct {
		Message struct{ Content string }
		Debug   struct {
			Told string `json:"rendered_template"`
		} `json:"_debug_info"`
	}
	for _, only := range []string{"false", "true"} {
		body := `{"model":"` + model + `","stream":false,"messages":[{"role":"user","content":"Well?"}],"options":{"num_predict":50},"_debug_render_only":` + only + `}`
		got, err := http.Post(ollama+"/api/chat", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer got.Body.Close()
		text, err := io.ReadAll(got.Body)
		if err != nil || json.Unmarshal(text, &answer) != nil || got.StatusCode != http.StatusOK {
			t.Fatalf("%v, %s %s", err, got.Status, text)
		}
		if only == "false" {
			said = answer.Message.Content
		}
	}
	return said, answer.Debug.Told
}
