package relay

import (
	"io"
	"strings"

	"github.com/corral-fleet/corral/agent/internal/ollama"
	"github.com/corral-fleet/corral/sdk/wire"
	"github.com/corral-fleet/corral/sdk/wire/exchange"
)

// begin tells of a request that has a model compute something, and returns nil
// for any other.
func begin(progress *ollama.Progress, target string, in *exchange.Incoming) *ollama.Generation {
	if in.Fields.Get(wire.StreamField) != "" {
		return progress.Begin()
	}
	path, _, _ := strings.Cut(target, "?")
	switch path {
	case "/api/chat", "/api/generate", "/api/embed", "/api/embeddings",
		"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages":
		if in.Method == "POST" {
			return progress.BeginWhole()
		}
	}
	return nil
}

// question is a body that comes piece by piece: Ollama has to wait for it too.
type question struct {
	body io.Reader
	of   *ollama.Generation
}

// Read implements io.Reader.
func (q *question) Read(p []byte) (int, error) {
	q.of.Ask()
	n, err := q.body.Read(p)
	q.of.Asked()
	return n, err
}
