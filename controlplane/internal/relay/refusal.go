package relay

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Refuse returns what Ollama answers to a request that it does not carry out.
func (e *Endpoint) Refuse(status int, message string) *edge.Response { return e.pass(status, message) }

// refuse returns what Ollama answers to a body that it can't read.
func (e *Endpoint) refuse(status int, message string) *edge.Response {
	return refusal(e.Dialect, status, "invalid_request_error", jsonType, message)
}

// pass returns what Ollama answers when the part of it that all dialects share
// refuses a request: to OpenAI's dialect, every such error is one of the API.
func (e *Endpoint) pass(status int, message string) *edge.Response {
	contentType := jsonType
	if e.Dialect != edge.Ollama {
		contentType = bareJSONType
	}
	return refusal(e.Dialect, status, "api_error", contentType, message)
}

// notFound returns what Ollama answers for a model that it does not have.
func (e *Endpoint) notFound(model string) *edge.Response {
	return e.pass(404, fmt.Sprintf(e.NotFound, model))
}

// NoModel returns what Ollama answers to OpenAI's clients that ask after a model
// that it does not have.
func NoModel(model string) *edge.Response {
	return refusal(edge.OpenAI, 404, "api_error", bareJSONType, fmt.Sprintf(NotFound, model))
}

// The sentences for a model that nobody has. Which one it is depends on the route.
const (
	NotFound     = "model '%s' not found"
	NotFoundPull = "model %q not found, try pulling it first"
)

// Ollama writes its type in two ways.
const (
	jsonType     = "application/json; charset=utf-8"
	bareJSONType = "application/json"
)

func refusal(d edge.Dialect, status int, kind, contentType, message string) *edge.Response {
	body := edge.ErrorBody(d, fault.New(kindOf(status), "%s", message))
	switch d { // strings can always be encoded
	case edge.OpenAI:
		body, _ = json.Marshal(map[string]openAIError{"error": {Message: message, Type: kind}})
	case edge.Anthropic:
		body = numbered(body)
	}
	return &edge.Response{
		Status: status, Body: body,
		Header: []edge.HeaderField{{Name: "Content-Type", Value: contentType}},
	}
}

// openAIError is an error in the form and order of fields of Ollama's imitation.
type openAIError struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

// anthropicError is an error in the form and order of fields of Ollama's imitation.
type anthropicError struct {
	Type      string          `json:"type"`
	Error     json.RawMessage `json:"error"`
	RequestID string          `json:"request_id"`
}

// numbered gives an error of Anthropic's dialect the id that its clients show.
func numbered(body []byte) []byte {
	var e anthropicError
	if err := json.Unmarshal(body, &e); err != nil {
		return body
	}
	e.RequestID = "req_" + strings.ToLower(rand.Text()[:24])
	// What has just been decoded can be encoded.
	body, _ = json.Marshal(e)
	return body
}

func kindOf(status int) fault.Kind {
	switch status {
	case 400:
		return fault.Invalid
	case 404:
		return fault.NotFound
	}
	return fault.Unavailable
}
