package ollamaapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
)

// orUnload returns a handler that takes a model out of memory on all hosts where
// that is what a request wants, and else answers as next does.
func (a *API) orUnload(e relay.Endpoint, next edge.Handler) edge.Handler {
	return func(ctx context.Context, req *edge.Request) (*edge.Response, error) {
		model, ok := unloads(req.Body)
		if !ok {
			return next(ctx, req)
		}
		hosts, err := a.hostsFor(req)
		if err != nil {
			return nil, err
		}
		// Where a model is in memory is known a little late, and to unload what is
		// not there does nothing.
		places := placesOf(hosts, a.view.Aliases().Of(model))
		if len(places) == 0 {
			return next(ctx, req) // which knows the words for that
		}
		call := fleet.Call{Method: req.Method, Path: e.Path, Fields: relay.Fields(req)}
		replies := a.everywhere(ctx, places, call, func(at place) ([]byte, error) {
			return nameAt(req.Body, "model", model, at)
		})
		return merge(fmt.Sprintf("unloading model %q", model), replies)
	}
}

// keepAlive is the field without which nothing is unloaded. Most bodies don't
// have it, and are not read any further here.
const keepAlive = `"keep_alive"`

// unloads reports whether a body asks for a model to be taken out of memory: it
// has nothing to answer, and says to keep the model for no time at all.
func unloads(raw []byte) (model string, ok bool) {
	if !bytes.Contains(raw, []byte(keepAlive)) {
		return "", false
	}
	var body struct {
		Model     string            `json:"model"`
		Prompt    string            `json:"prompt"`
		Messages  []json.RawMessage `json:"messages"`
		KeepAlive json.RawMessage   `json:"keep_alive"`
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		return "", false // whoever passes it on has the words for that
	}
	return body.Model, body.Model != "" && body.Prompt == "" && len(body.Messages) == 0 && isNoTime(body.KeepAlive)
}

// isNoTime reports whether Ollama takes this for a duration of nothing: a number
// of seconds, or a text such as "0s".
func isNoTime(raw json.RawMessage) bool {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return false
	}
	switch t := v.(type) {
	case float64:
		return t >= 0 && t*float64(time.Second) < 1
	case string:
		d, err := time.ParseDuration(t)
		return err == nil && d == 0
	}
	return false
}
