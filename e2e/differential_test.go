package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
)

// twins are one real Ollama and a fleet of three, with the same models, of which
// the same is asked.
type twins struct {
	t     *testing.T
	real  *corraltest.Caller
	fleet *corraltest.Caller
}

// TestTheFleetAnswersAsOneOllama sends the same requests to one real Ollama and
// to a fleet of three, and compares the answers field by field. What may differ
// is time, ids that are made up, and what the fleet says more: which host.
func TestTheFleetAnswersAsOneOllama(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	// Made once and copied: a digest covers the path that a model was made from.
	models := os.DirFS(ableModels(t, lab))
	start := func() *ollamatest.Server {
		folder := lab.Folder("copy")
		if err := os.CopyFS(folder, models); err != nil {
			t.Fatal(err)
		}
		return ollamatest.Start(t, ollamatest.Options{Env: []string{"OLLAMA_MODELS=" + folder}})
	}
	single := start()
	for _, name := range []string{"alpha", "beta", "gamma"} {
		server := start()
		agent := controlplane.Agent(corraltest.AgentOptions{Name: name, Plain: true, Ollama: server.URL})
		agent.AwaitModel(serveLimit, corraltest.Hello)
	}
	w := &twins{
		t:     t,
		real:  &corraltest.Caller{T: t, URL: single.URL, HTTP: corraltest.Plain()},
		fleet: controlplane.As(corraltest.Operator),
	}
	w.all(lists())
	w.all(native())
	w.all(imitated())
	w.all(refused())
	w.all(fields())
	w.all(abilities())
	w.large()
	wantLimit(t, w.fleet)
	w.memory()
	w.changes()
}

// question is one request.
type question struct{ method, path, body string }

func get(path string) question            { return question{http.MethodGet, path, ""} }
func head(path string) question           { return question{http.MethodHead, path, ""} }
func deletion(body string) question       { return question{http.MethodDelete, "/api/delete", body} }
func postText(path, body string) question { return question{http.MethodPost, path, body} }

func lists() []question {
	return []question{
		head("/"), get("/"), head("/api/version"), get("/api/version"), head("/api/tags"), get("/api/tags"), get("/api/ps"),
		get("/v1/models"), get("/v1/models/hello"), get("/v1/models/hello:latest"), get("/v1/models/nope"),
		postText("/api/show", `{"model":"hello"}`), postText("/api/show", `{"name":"hello:latest"}`),
		postText("/api/show", `{"model":"hello","verbose":true}`), postText("/api/show", `{"model":"nope"}`),
		postText("/api/show", `{"model":"Library/HELLO"}`),
	}
}

func native() []question {
	questions := []question{
		postText("/api/generate", `{"model":"hello"}`),
		postText("/api/embed", `{"model":"hello","input":"Hello"}`),
		postText("/api/embed", `{"model":"hello","input":["Hello","there"],"truncate":true}`),
		postText("/api/embed", `{"model":"hello"}`),
		postText("/api/embed", `{"model":"hello","input":5}`),
		postText("/api/embeddings", `{"model":"hello","prompt":"Hello"}`),
		postText("/api/embeddings", `{"model":"hello"}`),
		postText("/api/generate", `{"model":"hello","prompt":"Hi","raw":true,"stream":false,"unknown":{"x":1}}`),
		postText("/api/generate", `{"model":"hello","prompt":"Hi","stream":false,"options":{"num_predict":1}}`),
		postText("/api/generate", `{"model":"hello","prompt":"Hi","options":{"num_predict":0.5}}`),
		postText("/api/chat", `{"model":"hello","messages":[]}`),
		postText("/api/chat", `{"model":"hello","messages":[{"role":"user","content":"Hi"}],"think":true}`),
		postText("/api/chat", `{"model":"hello","messages":[{"role":"user","content":"Hi"}],"tools":[{"type":"function","function":{"name":"f"}}]}`),
		postText("/api/chat", `{"model":"hello","messages":"Hi"}`),
		postText("/api/generate", `{"model":"hello","prompt":"Hi"} and more`),
	}
	for _, stream := range []string{"", `,"stream":true`, `,"stream":false`} {
		questions = append(questions,
			postText("/api/generate", `{"model":"hello","prompt":"Hi"`+stream+`}`),
			postText("/api/chat", `{"model":"hello","messages":[{"role":"user","content":"Hi"}]`+stream+`}`),
		)
	}
	return questions
}

func imitated() []question {
	var questions []question
	for _, stream := range []string{"", `,"stream":true`, `,"stream":false`} {
		questions = append(questions,
			postText("/v1/chat/completions", `{"model":"hello","messages":[{"role":"user","content":"Hi"}]`+stream+`}`),
			postText("/v1/completions", `{"model":"hello","prompt":"Hi"`+stream+`}`),
			postText("/v1/responses", `{"model":"hello","input":"Hi"`+stream+`}`),
			postText("/v1/messages", `{"model":"hello","max_tokens":20,"messages":[{"role":"user","content":"Hi"}]`+stream+`}`),
		)
	}
	return append(questions,
		postText("/v1/chat/completions", `{"model":"hello","messages":[{"role":"user","content":"Hi"}],"stream":true,"stream_options":{"include_usage":true}}`),
		postText("/v1/chat/completions", `{"model":"hello"}`),
		postText("/v1/messages", `{"model":"hello","messages":[{"role":"user","content":"Hi"}]}`),
		postText("/v1/embeddings", `{"model":"hello","input":"Hi"}`),
		postText("/v1/embeddings", `{"model":"hello","input":["Hi","there"],"encoding_format":"base64"}`),
		postText("/v1/embeddings", `{"model":"hello"}`),
	)
}

// refused are requests that fail in the same way on every route that takes a model.
func refused() []question {
	questions := []question{
		deletion(""), deletion(`{"model":"nope"}`), deletion(`{"name":5}`), deletion(`{"model":"a b"}`), deletion(`{}`),
		postText("/api/copy", ""), postText("/api/copy", `{`), postText("/api/copy", `{}`), postText("/api/copy", `{"source":[]}`),
		postText("/api/copy", `{"source":"nope","destination":"x"}`), postText("/api/copy", `{"source":"hello","destination":"a b"}`),
		postText("/api/copy", `{"source":"hello"}`),
		postText("/v1/messages", ""), postText("/v1/messages", "{bad"), postText("/v1/messages", "[]"),
		postText("/v1/messages", `{"model":"nope","max_tokens":5,"messages":[{"role":"user","content":"Hi"}]}`),
		postText("/v1/messages", `{"max_tokens":5,"messages":[{"role":"user","content":"Hi"}]}`),
	}
	// A chat whose body has no messages is the dashboard's, with errors of its own.
	const needed = `"messages":[{"role":"user","content":"Hi"}],"input":"Hi","prompt":"Hi"`
	for _, path := range []string{
		"/api/generate", "/api/chat", "/api/embed", "/api/embeddings", "/api/show",
		"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses",
	} {
		questions = append(questions, postText(path, `{"model":"nope",`+needed+`}`), postText(path, `{"model":5,`+needed+`}`))
		if path != "/api/chat" {
			for _, body := range []string{"", " ", "{bad", `{"model":"hello"`, "[]", `"hello"`, `{"model":5}`} {
				questions = append(questions, postText(path, body))
			}
		}
		for _, cut := range []string{`{"model":"hello",` + needed, `{"model":"hello",` + needed[:len(needed)-1] + `x}}`} {
			questions = append(questions, postText(path, cut))
		}
		if !strings.HasSuffix(path, "/embed") && path != "/v1/embeddings" { // to which the real one answers 500
			questions = append(questions, postText(path, `{"model":"",`+needed+`}`), postText(path, `{`+needed+`}`))
		}
	}
	return questions
}

// memory looks at what is in memory, of which a fleet hears a little later.
func (w *twins) memory() {
	w.t.Helper()
	for _, keep := range []string{`"10m"`, "0"} {
		w.same(postText("/api/generate", `{"model":"hello","keep_alive":`+keep+`}`))
		corraltest.Await(w.t, reportLimit, "the same is in memory after keep_alive "+keep, func() error {
			q := get("/api/ps")
			if diff := cmp.Diff(seenBy(w.real, q), seenBy(w.fleet, q)); diff != "" {
				return fmt.Errorf("(-one +fleet)\n%s", diff)
			}
			return nil
		})
	}
	w.same(postText("/api/chat", `{"model":"hello","messages":[],"keep_alive":0}`))
}

// changes makes and removes models; each list shows what was done just before.
func (w *twins) changes() {
	w.t.Helper()
	remove := func(name string) question {
		return question{http.MethodDelete, "/api/delete", `{"model":"` + name + `"}`}
	}
	w.all([]question{
		postText("/api/copy", `{"source":"hello","destination":"Other/Copy"}`), get("/api/tags"), get("/v1/models"),
		postText("/api/show", `{"model":"other/copy:latest"}`),
		postText("/api/generate", `{"model":"Other/Copy","prompt":"Hi","stream":false}`),
		postText("/api/copy", `{"source":"other/copy","destination":"third:Tag"}`), get("/api/tags"),
		remove("OTHER/copy"), get("/api/tags"), remove("other/copy"), postText("/api/show", `{"model":"other/copy"}`),
		remove("hello"), remove("third:tag"), remove("looking"), remove("thinking"), get("/api/tags"),
		postText("/api/chat", `{"model":"hello","messages":[{"role":"user","content":"Hi"}]}`),
	})
}

func (w *twins) all(questions []question) {
	w.t.Helper()
	for _, q := range questions {
		w.same(q)
	}
}

// same asks both and wants the same answer. Where that is an error the request is
// to blame, and no second host is to have been asked.
func (w *twins) same(q question) {
	w.t.Helper()
	answer := q.ask(w.fleet)
	if diff := cmp.Diff(seenBy(w.real, q), seenIn(answer)); diff != "" {
		w.t.Errorf("%s %s %.300s (-one +fleet)\n%s", q.method, q.path, q.body, diff)
	}
	decision := answer.Header.Get("Corral-Decision")
	if answer.Status < 400 || decision == "" {
		return
	}
	if why := w.fleet.Get("/api/routing/decisions/" + decision); why.Status != 200 || strings.Contains(why.Body, triedBefore) {
		w.t.Errorf("%s %s %.300s is answered with %d %s by more than one host: %s", q.method, q.path, q.body, answer.Status, answer.Body, why.Body)
	}
}

// seen is an answer without what may differ.
type seen struct {
	Status      int
	ContentType string
	Whole       bool // its length was told at its beginning
	Body        []any
}

func (q question) ask(c *corraltest.Caller) corraltest.Answer {
	c.T.Helper()
	var body any
	if q.body != "" {
		body = q.body
	}
	return c.Do(q.method, q.path, body)
}

func seenBy(c *corraltest.Caller, q question) seen {
	c.T.Helper()
	return seenIn(q.ask(c))
}

func seenIn(answer corraltest.Answer) seen {
	s := seen{Status: answer.Status, ContentType: answer.Header.Get("Content-Type"), Whole: answer.Header.Get("Content-Length") != ""}
	for line := range strings.Lines(answer.Body) {
		text := strings.TrimSuffix(line, "\n")
		mark := ""
		if data, ok := strings.CutPrefix(text, "data: "); ok {
			mark, text = "data: ", data
		}
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			s.Body = append(s.Body, mark+text)
			continue
		}
		s.Body = append(s.Body, mark, plain(v))
	}
	return s
}

// varying are the fields whose values are times, or how long something took.
var varying = map[string]bool{
	"created_at": true, "modified_at": true, "expires_at": true, "completed_at": true, "created": true,
	"total_duration": true, "load_duration": true, "prompt_eval_duration": true, "eval_duration": true,
}

var (
	madeUp = regexp.MustCompile(`^(chatcmpl|cmpl|resp|msg|rs|fc|call|req)[-_]\S+$`)
	folder = regexp.MustCompile(`(?m)^FROM \S*/blobs/`)
)

// plain returns a value of JSON without what may differ.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if _, running := v["size_vram"]; running { // what the fleet says more
			delete(v, "host_id")
			delete(v, "host")
			delete(v, "instance")
		}
		for name, value := range v {
			text, _ := value.(string)
			switch {
			case varying[name]:
				v[name] = fmt.Sprintf("%T", value)
			case name == "logprob": // to which a cached prompt adds its rounding
				v[name] = fmt.Sprintf("%.2f", value)
			case name == "parameters" || name == "modelfile": // whose lines come in any order
				v[name] = slices.Sorted(strings.SplitSeq(folder.ReplaceAllString(text, "FROM "), "\n"))
			default:
				v[name] = plain(value)
			}
		}
		for _, list := range []string{"models", "data"} { // in the order of time
			if items, ok := v[list].([]any); ok {
				v[list] = sorted(items)
			}
		}
		return v
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
		return v
	case string:
		if parts := madeUp.FindStringSubmatch(v); parts != nil {
			return parts[1]
		}
		return v
	}
	return v
}

// sorted returns items in the order of their JSON, equals once: a fleet lists
// what is in memory once for each host.
func sorted(items []any) []any {
	text := func(v any) string { return fmt.Sprint(v) } // in which maps are sorted
	slices.SortFunc(items, func(a, b any) int { return strings.Compare(text(a), text(b)) })
	return slices.CompactFunc(items, func(a, b any) bool { return text(a) == text(b) })
}
