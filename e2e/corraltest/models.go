package corraltest

import (
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// The models that [Lab.Models] makes.
const (
	Hello   = "hello:latest"   // answers one sentence
	Endless = "endless:latest" // does not come to an end by itself
)

// EndlessModel describes a model whose reply takes so long that no test sees
// its end: Ollama ends it after ten contexts.
func EndlessModel() tinymodel.Options {
	return tinymodel.Options{Loop: true, ContextLength: 8192}
}

// Models makes a folder with both models for Ollamas that agents start.
func (l *Lab) Models() string {
	l.T.Helper()
	return l.ModelsFolder(map[string]tinymodel.Options{Hello: {}, Endless: EndlessModel()})
}

// ModelsFolder makes a folder with models, by their names, for Ollamas that
// agents start.
func (l *Lab) ModelsFolder(models map[string]tinymodel.Options) string {
	l.T.Helper()
	dir := l.Folder("models")
	server := ollamatest.Start(l.T, ollamatest.Options{Env: []string{"OLLAMA_MODELS=" + dir}})
	for name, options := range models {
		server.Create(name, options)
	}
	server.Stop()
	return dir
}
