package ollamaapi

import (
	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
)

func chat() relay.Endpoint {
	return relay.Endpoint{
		Path: "/api/chat", Dialect: edge.Ollama, Body: "api.ChatRequest",
		Streaming: relay.UnlessFalse, Ending: relay.OllamaEnding, NotFound: relay.NotFound,
	}
}

func generate() relay.Endpoint {
	return relay.Endpoint{
		Path: "/api/generate", Dialect: edge.Ollama, Body: "api.GenerateRequest",
		Streaming: relay.UnlessFalse, Ending: relay.OllamaEnding, NotFound: relay.NotFound, Nameless: true,
	}
}

func show() relay.Endpoint {
	return relay.Endpoint{
		Path: "/api/show", Dialect: edge.Ollama, Body: "api.ShowRequest",
		Streaming: relay.Never, NotFound: relay.NotFound,
	}
}

func embed() relay.Endpoint {
	return relay.Endpoint{
		Path: "/api/embed", Dialect: edge.Ollama, Body: "api.EmbedRequest",
		Streaming: relay.Never, NotFound: relay.NotFoundPull,
	}
}

func embeddings() relay.Endpoint {
	return relay.Endpoint{
		Path: "/api/embeddings", Dialect: edge.Ollama, Body: "api.EmbeddingRequest",
		Streaming: relay.Never, NotFound: relay.NotFoundPull,
	}
}

func copying() relay.Endpoint {
	return relay.Endpoint{Path: "/api/copy", Dialect: edge.Ollama, Body: "api.CopyRequest", NotFound: "model %q not found"}
}

func deleting() relay.Endpoint {
	return relay.Endpoint{Path: "/api/delete", Dialect: edge.Ollama, Body: "api.DeleteRequest", NotFound: relay.NotFound}
}

func pulling() relay.Endpoint {
	return relay.Endpoint{Path: "/api/pull", Dialect: edge.Ollama, Body: "api.PullRequest"}
}

func pushing() relay.Endpoint {
	return relay.Endpoint{Path: "/api/push", Dialect: edge.Ollama, Body: "api.PushRequest"}
}

func creating() relay.Endpoint {
	return relay.Endpoint{Path: "/api/create", Dialect: edge.Ollama, Body: "api.CreateRequest"}
}
