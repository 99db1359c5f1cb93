package router

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/corral-fleet/corral/sdk/fault"
)

// renameModel returns the body with another model name in it, everything else
// as it was. Ollama takes the name as "model" or, in older calls, as "name".
func renameModel(body []byte, model string) ([]byte, error) {
	quoted, err := json.Marshal(model)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "")
	}
	if start, end, ok := plainName(body); ok {
		return slices.Concat(body[:start], quoted, body[end:]), nil
	}
	return renameFields(body, quoted)
}

// plainName returns where in a body the model's name stands, if that is said once, and
// so that nobody can read it in another way.
func plainName(body []byte) (start, end int, ok bool) {
	s := scanner{data: body}
	found, plain := 0, true
	s.fields(func(name []byte) {
		switch {
		case string(name) == "model":
			start = s.at
			plain = plain && len(s.value()) > len(`""`) && body[start] == '"'
			end = s.at
			found++
		case bytes.IndexByte(name, '\\') >= 0, bytes.EqualFold(name, []byte("model")), bytes.EqualFold(name, []byte("name")):
			plain = false
		}
	})
	return start, end, found == 1 && plain && s.steps < maxSteps
}

// renameFields does it to any body, and reads all of it for that.
func renameFields(body, quoted []byte) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the body is not a JSON object").On(fault.Caller)
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
