package relay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
)

// body is what has to be known of a request's body. The rest is Ollama's business.
type body struct {
	Model  string `json:"model"`
	Stream *bool  `json:"stream"` // nothing to look at where the endpoint never streams
	raw    []byte // what is passed on
}

// parse reads a body, with the field for streams where the endpoint has one.
func (e *Endpoint) parse(raw []byte) (*body, error) {
	b := &body{raw: raw}
	if e.Streaming != Never {
		return b, unmarshal(raw, b)
	}
	var named struct {
		Model string `json:"model"`
	}
	err := unmarshal(raw, &named)
	b.Model = named.Model
	return b, err
}

// unmarshal reads the first value of a body. What comes behind it Ollama does
// not look at, and a body that is cut off it words as a reader does.
func unmarshal(raw []byte, v any) error {
	err := json.Unmarshal(raw, v)
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return json.NewDecoder(bytes.NewReader(raw)).Decode(v)
	}
	return err
}

// Decode reads a body into v, or returns the answer that refuses it, worded as
// the real one's is.
func (e *Endpoint) Decode(raw []byte, v any) *edge.Response {
	if err := unmarshal(raw, v); err != nil {
		return e.refuse(400, e.explain(err))
	}
	return nil
}

// read takes a body apart, or returns the answer that refuses it, worded as the
// real one's is.
func (e *Endpoint) read(raw []byte) (*body, *edge.Response) {
	b, err := e.parse(raw)
	if err != nil {
		return nil, e.refuse(400, e.explain(err))
	}
	if b.Model == "" && e.Dialect == edge.Ollama {
		if err := b.takeName(); err != nil {
			return nil, e.refuse(400, e.explain(err))
		}
	}
	switch {
	case b.Model != "":
		return b, nil
	case e.Nameless:
		return nil, e.notFound("")
	case e.Dialect == edge.Anthropic: // whose imitation looks before all others do
		return nil, e.refuse(400, "model is required")
	}
	return nil, e.pass(400, "model is required")
}

// takeName finds the model where Ollama's own clients still put it at times,
// and moves it to where all of its routes look.
func (b *body) takeName() error {
	var old struct {
		Name string `json:"name"`
	}
	if err := unmarshal(b.raw, &old); err != nil || old.Name == "" {
		return err
	}
	var fields map[string]json.RawMessage
	if err := unmarshal(b.raw, &fields); err != nil {
		return err
	}
	name, err := json.Marshal(old.Name)
	if err != nil {
		return err
	}
	fields["model"] = name
	delete(fields, "name")
	b.raw, err = json.Marshal(fields)
	b.Model = old.Name
	return err
}

// streams reports whether the answer will come piece by piece.
func (e *Endpoint) streams(b *body) bool {
	switch e.Streaming {
	case UnlessFalse:
		return b.Stream == nil || *b.Stream
	case IfTrue:
		return b.Stream != nil && *b.Stream
	}
	return false
}

// explain words a fault of the body as the real one would, whose type has
// another name than ours.
func (e *Endpoint) explain(err error) string {
	var wrong *json.UnmarshalTypeError
	switch {
	case err == io.EOF && e.Dialect == edge.Ollama:
		return "missing request body"
	case !errors.As(err, &wrong):
		return err.Error()
	case wrong.Field == "":
		return fmt.Sprintf("json: cannot unmarshal %s into Go value of type %s", wrong.Value, e.Body)
	}
	_, name, _ := strings.Cut(e.Body, ".")
	return fmt.Sprintf("json: cannot unmarshal %s into Go struct field %s.%s of type %s", wrong.Value, name, wrong.Field, wrong.Type)
}
