package waiting

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Answer is what a request was waiting for: a Body, or why there is none.
type Answer struct {
	Status int           // of Body; from 400 on it is an error in the client's dialect
	Body   io.ReadCloser // nil with Err
	Err    error
}

// close closes an answer that nobody reads.
func (a Answer) close() error {
	if a.Body == nil {
		return nil
	}
	return a.Body.Close()
}

// maxErrorBytes is how much of an error's body is read.
const maxErrorBytes = 64 << 10

// failure returns how a stream ends with this answer, or nil for one that is a
// stream itself.
func (a Answer) failure(f Form) []byte {
	switch {
	case a.Err != nil:
		return f.failure(edge.ErrorBody(f.dialect(), a.Err))
	case a.Body == nil: // a sender that is gone without a word
		return f.failure(edge.ErrorBody(f.dialect(), fault.New(fault.Internal, "")))
	case a.Status < 400:
		return nil
	}
	// What can't be read to its end is no object, and is told of by its status.
	raw, _ := io.ReadAll(io.LimitReader(a.Body, maxErrorBytes))
	body, ok := oneLine(raw)
	if !ok {
		body = edge.ErrorBody(f.dialect(), fault.New(fault.Unavailable, "Ollama answered with status %d and no reason", a.Status).On(fault.Ollama))
	}
	return f.failure(body)
}

// oneLine returns an error's object as one line, which is what fits into a
// stream, and false for anything else.
func oneLine(raw []byte) ([]byte, bool) {
	raw = bytes.ToValidUTF8(raw, []byte("\uFFFD"))
	var object map[string]json.RawMessage
	if err := json.Unmarshal(raw, &object); err != nil || object["error"] == nil || string(object["error"]) == "null" {
		return nil, false
	}
	var line bytes.Buffer
	if err := json.Compact(&line, raw); err != nil {
		return nil, false
	}
	return line.Bytes(), true
}
