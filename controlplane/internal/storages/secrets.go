package storages

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/sdk/config"
)

// hidden stands for a secret that is set. Sent back, it keeps what is stored.
const hidden = "***"

// split takes the secrets out of a configuration, which is a JSON object. One that is
// hidden keeps the value that it had, an empty one has none.
func split(body json.RawMessage, secrets []string, before map[string]string) (Configuration, []config.Fault) {
	tree, faults := parse(body)
	if faults != nil {
		return Configuration{}, faults
	}
	apart := map[string]string{}
	for _, path := range secrets {
		value, ok := take(tree, path)
		if !ok {
			continue
		}
		switch text, isText := value.(string); {
		case !isText:
			faults = append(faults, config.Fault{Field: path, Message: "wants text"})
		case text == hidden && before[path] != "":
			apart[path] = before[path]
		case text != "" && text != hidden:
			apart[path] = text
		}
	}
	plain, err := json.Marshal(tree)
	if err != nil { // what is in it was parsed
		panic(err)
	}
	return Configuration{JSON: plain, Secrets: apart}, faults
}

func parse(body json.RawMessage) (map[string]any, []config.Fault) {
	tree := map[string]any{}
	if len(body) == 0 || string(body) == "null" {
		return tree, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil {
		return nil, []config.Fault{{Message: "has to be an object"}}
	}
	return tree, nil
}

// take removes what is at a path, and what held nothing else.
func take(tree map[string]any, path string) (any, bool) {
	first, rest, nested := strings.Cut(path, ".")
	value, ok := tree[first]
	if !nested {
		delete(tree, first)
		return value, ok
	}
	section, isSection := value.(map[string]any)
	if !isSection {
		return nil, false
	}
	value, ok = take(section, rest)
	if len(section) == 0 {
		delete(tree, first)
	}
	return value, ok
}

// shown is a configuration with its secrets hidden.
func shown(body json.RawMessage, secrets map[string]string) json.RawMessage {
	tree, faults := parse(body)
	if faults != nil {
		return json.RawMessage("{}")
	}
	for _, path := range slices.Sorted(maps.Keys(secrets)) {
		put(tree, path, hidden)
	}
	text, err := json.Marshal(tree)
	if err != nil { // what is in it was parsed
		panic(err)
	}
	return text
}

func put(tree map[string]any, path string, value any) {
	first, rest, nested := strings.Cut(path, ".")
	if !nested {
		tree[first] = value
		return
	}
	section, ok := tree[first].(map[string]any)
	if !ok {
		section = map[string]any{}
		tree[first] = section
	}
	put(section, rest, value)
}
