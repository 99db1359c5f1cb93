package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFileSize is the largest settings file in bytes.
const maxFileSize = 1 << 20

// loadFile sets the fields that the file at path has.
func loadFile(cfg any, path string) (Origins, []Fault) {
	data, err := readCapped(path, maxFileSize)
	if err != nil {
		return nil, []Fault{{Origin: Origin{Layer: File, Source: path}, Message: err.Error()}}
	}
	return decodeFile(cfg, path, data)
}

// readCapped reads a whole file of at most limit bytes.
func readCapped(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("is larger than %s", Size(limit))
	}
	return data, nil
}

// withoutPath drops the path from an error, because a fault names it already.
func withoutPath(err error) error {
	if pathError, ok := errors.AsType[*os.PathError](err); ok {
		return pathError.Err
	}
	return err
}

// decodeFile sets the fields that a YAML document has. An empty one sets none.
func decodeFile(cfg any, source string, data []byte) (Origins, []Fault) {
	a := newAssigner(cfg, File, source)
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return a.set, nil
	case err != nil:
		a.syntaxFault(err)
		return a.set, a.faults.List
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		a.fault(second.Line, "", "a second document begins here; the settings are one")
	case !errors.Is(err, io.EOF):
		a.syntaxFault(err)
	}
	a.section("", a.fromYAML(&document, 0))
	return a.set, a.faults.List
}

// syntaxFault lists an error of the YAML parser, which names its line in text.
func (a *assigner) syntaxFault(err error) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if rest, ok := strings.CutPrefix(message, "line "); ok {
		if number, text, ok := strings.Cut(rest, ": "); ok {
			line, _ = strconv.Atoi(number) // 0 names the file alone
			message = text
		}
	}
	// The parser, unlike the scanner below it, counts lines from 0, and leaves
	// out the first; the messages of the two differ in their beginning.
	if strings.HasPrefix(message, "did not find expected") {
		line++
	}
	a.fault(line, "", "not valid YAML: %s", message)
}

// fromYAML converts a parsed document. What the settings have no use for is
// listed as a fault: anchors and aliases, by which few bytes become many, and
// tags, by which a value claims another type than it looks like.
func (a *assigner) fromYAML(y *yaml.Node, depth int) node {
	n := node{line: y.Line}
	switch {
	case depth > maxDepth:
		a.fault(y.Line, "", "sections nest too deeply")
		return n
	case y.Kind == yaml.AliasNode || y.Anchor != "":
		a.fault(y.Line, "", "anchors and aliases are not allowed")
		return n
	case y.Style&yaml.TaggedStyle != 0:
		a.fault(y.Line, "", "the tag %s is not allowed", y.Tag)
		return n
	}
	switch y.Kind {
	case yaml.DocumentNode:
		return a.fromYAML(y.Content[0], depth)
	case yaml.SequenceNode:
		n.shape = shapeList
		for _, item := range y.Content {
			n.items = append(n.items, a.fromYAML(item, depth+1))
		}
	case yaml.MappingNode:
		n.shape = shapeTable
		for i := 0; i+1 < len(y.Content); i += 2 {
			key := y.Content[i]
			if key.Kind != yaml.ScalarNode || key.Anchor != "" {
				a.fault(key.Line, "", "a key is plain text")
				continue
			}
			n.entries = append(n.entries, entry{key: key.Value, line: key.Line, value: a.fromYAML(y.Content[i+1], depth+1)})
		}
	case yaml.ScalarNode:
		n.text, n.shape = y.Value, scalarShape(y.ShortTag())
	}
	return n
}

func scalarShape(tag string) shape {
	switch tag {
	case "!!null":
		return shapeNull
	case "!!int":
		return shapeWhole
	case "!!float":
		return shapeNumber
	case "!!bool":
		return shapeBool
	case "!!timestamp":
		return shapeDate
	}
	return shapeText
}
