package config

import (
	"io"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Render writes the settings as YAML, each with its origin as a comment and
// with secrets hidden. Without secrets, the output is a settings file that
// gives the same settings again.
func Render(w io.Writer, cfg any, origins Origins) error {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range Fields(cfg) {
		section, path := root, f.Path
		for {
			name, rest, nested := strings.Cut(path, ".")
			if !nested {
				break
			}
			section, path = subsection(section, name), rest
		}
		value := renderValue(f.value)
		key := &yaml.Node{Kind: yaml.ScalarNode, Value: path}
		commented := value
		if len(value.Content) > 0 && value.Style != yaml.FlowStyle {
			commented = key // the value begins on a line of its own
		}
		commented.LineComment = origins.Of(f.Path).String()
		section.Content = append(section.Content, key, value)
	}
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return err
	}
	return encoder.Close()
}

// subsection returns the section of this name, made where it is missing.
func subsection(parent *yaml.Node, name string) *yaml.Node {
	for i := 0; i < len(parent.Content); i += 2 {
		if parent.Content[i].Value == name {
			return parent.Content[i+1]
		}
	}
	child := &yaml.Node{Kind: yaml.MappingNode}
	parent.Content = append(parent.Content, textNode(name), child)
	return child
}

func renderValue(v reflect.Value) *yaml.Node {
	t := v.Type()
	switch {
	case isList(t):
		list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for i := range v.Len() {
			list.Content = append(list.Content, renderValue(v.Index(i)))
		}
		return list
	case t == objectsType:
		return renderObjects(v.Interface().(Objects))
	case isMap(t):
		table := &yaml.Node{Kind: yaml.MappingNode}
		for _, key := range sortedKeys(v) {
			table.Content = append(table.Content, textNode(key.String()), textNode(v.MapIndex(key).String()))
		}
		return table
	case isText(t) || t == durationType || t == sizeType || t.Kind() == reflect.String:
		return textNode(formatScalar(v))
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: formatScalar(v)}
}

func textNode(text string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(text)
	if text == "" {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}
