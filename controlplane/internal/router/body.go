package router

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/corral-fleet/corral/sdk/fault"
)

// renameModel returns the body with another model name in it, everything else
// as it was. Ollama takes the name as "model" or, in older calls, as "name".
func renameModel(body []byte, model string) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the body is not a JSON object").On(fault.Caller)
	}
	quoted, err := json.Marshal(model)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "")
	}
	renamed := false
	for _, field := range []string{"model", "name"} {
		if old, ok := fields[field]; ok && !bytes.Equal(old, []byte(`""`)) {
			fields[field] = quoted
			renamed = true
		}
	}
	if !renamed {
		fields["model"] = quoted
	}
	return json.Marshal(fields)
}

// meteredBody calls end once, when the body is closed, with whether the answer
// was a failure or reading it failed.
type meteredBody struct {
	io.ReadCloser
	failed bool
	closed bool
	end    func(failed bool)
}

func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		b.failed = true
	}
	return n, err
}

func (b *meteredBody) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	err := b.ReadCloser.Close()
	b.end(b.failed)
	return err
}
