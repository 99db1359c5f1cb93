package config

import (
	"fmt"
	"reflect"
)

// maxDepth is how deeply sections may nest in a file or a body. Real ones nest
// three deep; the limit keeps a stranger from growing the stack.
const maxDepth = 32

// shape is what a value looks like before anything is known about its field.
type shape uint8

const (
	shapeNull shape = iota
	shapeText
	shapeWhole  // a number without fraction and exponent
	shapeNumber // any other number
	shapeBool
	shapeDate // only YAML has it
	shapeList
	shapeTable
)

func (s shape) String() string {
	return [...]string{"nothing", "text", "a number", "a number with a fraction", "true or false", "a date", "a list", "a section"}[s]
}

// node is a value of a YAML file or a JSON body.
type node struct {
	shape   shape
	text    string // of a scalar, as it was written
	line    int    // from 1; 0 where lines mean nothing
	items   []node // of a list
	entries []entry
}

// entry is one key of a table with its value.
type entry struct {
	key   string
	line  int
	value node
}

// scalarFault says why a value of this shape cannot be one of type t, or "".
// It leaves the text itself to [parseScalar]. With units, a size may be text.
func scalarFault(t reflect.Type, n node, units bool) string {
	var wanted string
	var ok bool
	switch kind := t.Kind(); {
	case n.shape == shapeNull:
		return "has no value; leave it out to keep it as it is"
	case t == durationType:
		wanted, ok = "a duration with its unit, such as 30s", n.shape == shapeText
	case t == sizeType && units:
		wanted, ok = "a size, such as 20GiB", n.shape == shapeText || n.shape == shapeWhole
	case isText(t) || kind == reflect.String:
		wanted, ok = "text", n.shape == shapeText
		if n.shape == shapeWhole || n.shape == shapeNumber || n.shape == shapeBool || n.shape == shapeDate {
			return fmt.Sprintf("wants text, not %s; put it in quotes", n.shape)
		}
	case kind == reflect.Bool:
		wanted, ok = "true or false", n.shape == shapeBool
	case kind == reflect.Float32 || kind == reflect.Float64:
		wanted, ok = "a number", n.shape == shapeWhole || n.shape == shapeNumber
	default:
		wanted, ok = "a whole number", n.shape == shapeWhole
	}
	if ok {
		return ""
	}
	return fmt.Sprintf("wants %s, not %s", wanted, n.shape)
}
