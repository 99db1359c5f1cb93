package e2e

import (
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// The models that can do more than talk: one calls a tool, one thinks aloud. An
// Ollama learns that from their templates.
const (
	looking  = "looking:latest"
	thinking = "thinking:latest"

	lookingTemplate = `{{ if .Tools }}tools {{ .Tools }}
{{ end }}{{ range .Messages }}{{ .Role }}: {{ .Content }}{{ range .ToolCalls }}{"name": "{{ .Function.Name }}", "parameters": {{ .Function.Arguments }}}{{ end }}
{{ end }}`
	thinkingTemplate = `{{ range .Messages }}{{ .Role }}: {{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}{{ .Content }}
{{ end }}`
)

// ableModels makes a folder with all the models of the comparison.
func ableModels(t *testing.T, lab *corraltest.Lab) string {
	t.Helper()
	dir := lab.Folder("models")
	server := ollamatest.Start(t, ollamatest.Options{Env: []string{"OLLAMA_MODELS=" + dir}})
	server.Create(corraltest.Hello, tinymodel.Options{})
	caller := &corraltest.Caller{T: t, URL: server.URL, HTTP: corraltest.Plain()}
	for name, m := range map[string]struct{ reply, template string }{
		looking:  {`{"name": "look", "parameters": {"at": "it"}}`, lookingTemplate},
		thinking: {"<think> Who says hi? </think> Hello to you.", thinkingTemplate},
	} {
		server.Create(name, tinymodel.Options{Reply: m.reply})
		caller.Post("/api/create", object{"model": name, "from": name, "template": m.template, "stream": false}).JSON(&object{})
		var shown struct{ Capabilities []string }
		caller.Post("/api/show", object{"model": name}).JSON(&shown)
		if len(shown.Capabilities) != 2 {
			t.Fatalf("%s can %v, want one thing beside completion", name, shown.Capabilities)
		}
	}
	server.Stop()
	return dir
}

// abilities are requests for tools and thinking to models that know them.
func abilities() []question {
	questions := []question{postText("/api/show", `{"model":"looking"}`), postText("/api/show", `{"model":"thinking"}`)}
	for _, stream := range []string{`,"stream":true`, `,"stream":false`} {
		questions = append(questions,
			postText("/api/chat", `{"model":"looking","messages":[{"role":"user","content":"Hi"}],"tools":[`+lookTool+`]`+stream+`}`),
			postText("/api/chat", `{"model":"looking","messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"","tool_calls":[{"function":{"name":"look","arguments":{"at":"it"}}}]},{"role":"tool","tool_name":"look","content":"there"}]`+stream+`}`),
			postText("/v1/chat/completions", `{"model":"looking","messages":[{"role":"user","content":"Hi"}],"tools":[`+lookTool+`]`+stream+`}`),
			postText("/v1/responses", `{"model":"looking","input":"Hi","tools":[{"type":"function","name":"look","parameters":{"type":"object"}}]`+stream+`}`),
			postText("/v1/messages", `{"model":"looking","max_tokens":50,"messages":[{"role":"user","content":"Hi"}],"tools":[{"name":"look","input_schema":{"type":"object"}}]`+stream+`}`),
		)
		for _, think := range []string{"", `,"think":true`, `,"think":false`, `,"think":"low"`} {
			questions = append(questions,
				postText("/api/chat", `{"model":"thinking","messages":[{"role":"user","content":"Hi"}]`+think+stream+`}`),
				postText("/api/generate", `{"model":"thinking","prompt":"Hi"`+think+stream+`}`),
			)
		}
		questions = append(questions,
			postText("/v1/chat/completions", `{"model":"thinking","messages":[{"role":"user","content":"Hi"}],"reasoning_effort":"high"`+stream+`}`),
			postText("/v1/responses", `{"model":"thinking","input":"Hi","reasoning":{"effort":"high"}`+stream+`}`),
			postText("/v1/messages", `{"model":"thinking","max_tokens":50,"messages":[{"role":"user","content":"Hi"}],"thinking":{"type":"enabled","budget_tokens":1024}`+stream+`}`),
		)
	}
	return questions
}
