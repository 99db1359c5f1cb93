package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Objects is a list of sections whose keys are another program's, such as those of
// plugins. Only a file can have it: it has neither a flag nor a variable. Whoever
// loads it says what is wrong with an element, by [Object.Origin].
//
// What stands below a key named "secrets" is never shown.
type Objects []Object

// Object is one element.
type Object struct {
	JSON json.RawMessage // an object
	Line int             // in the file, from 1; 0 elsewhere
}

var objectsType = reflect.TypeFor[Objects]()

// Origin returns where an element stands, given where its list does.
func (o Object) Origin(list Origin) Origin {
	list.Line = o.Line
	return list
}

// objects sets a list of objects.
func (a *assigner) objects(f Field, n node) {
	if n.shape != shapeList {
		a.fault(n.line, f.Path, "wants a list, not %s", n.shape)
		return
	}
	list := Objects{}
	for i, item := range n.items {
		path := fmt.Sprintf("%s[%d]", f.Path, i)
		if item.shape != shapeTable {
			a.fault(item.line, path, "wants a section with keys, not %s", item.shape)
			continue
		}
		body, err := json.Marshal(a.tree(path, item))
		if err != nil { // such as a number that is none in JSON
			a.fault(item.line, path, "can't be understood: %v", err)
			continue
		}
		list = append(list, Object{JSON: body, Line: item.line})
	}
	f.value.Set(reflect.ValueOf(list))
}

// tree returns what a node holds, in types that can be encoded.
func (a *assigner) tree(path string, n node) any {
	switch n.shape {
	case shapeNull:
		return nil
	case shapeBool:
		return n.text == "true" || n.text == "True" || n.text == "TRUE"
	case shapeWhole:
		if whole, err := strconv.ParseInt(n.text, 0, 64); err == nil {
			return whole
		}
		return json.Number(n.text)
	case shapeNumber:
		return json.Number(n.text)
	case shapeList:
		list := []any{}
		for i, item := range n.items {
			list = append(list, a.tree(fmt.Sprintf("%s[%d]", path, i), item))
		}
		return list
	case shapeTable:
		table := map[string]any{}
		a.eachOnce(path+".", n, func(inner string, e entry) { table[e.key] = a.tree(inner, e.value) })
		return table
	}
	return n.text
}

// renderObjects returns the list as it would stand in a file, without secrets.
func renderObjects(list Objects) *yaml.Node {
	out := &yaml.Node{Kind: yaml.SequenceNode}
	if len(list) == 0 {
		out.Style = yaml.FlowStyle
	}
	for _, o := range list {
		var document yaml.Node
		if yaml.Unmarshal(o.JSON, &document) != nil || len(document.Content) != 1 { // JSON is YAML
			continue
		}
		out.Content = append(out.Content, plain(document.Content[0], false))
	}
	return out
}

// plain takes the style of JSON off a node, and hides what is secret.
func plain(n *yaml.Node, secret bool) *yaml.Node {
	n.Style = 0
	switch {
	case n.Kind == yaml.ScalarNode && secret:
		return textNode(redacted)
	case n.Kind == yaml.ScalarNode && n.Tag == "!!str":
		return textNode(n.Value)
	case (n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode) && len(n.Content) == 0:
		n.Style = yaml.FlowStyle
	}
	for i := range n.Content {
		value := n.Kind != yaml.MappingNode || i%2 == 1
		below := value && (secret || n.Kind == yaml.MappingNode && n.Content[i-1].Value == "secrets")
		n.Content[i] = plain(n.Content[i], below)
	}
	return n
}
