package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MergeJSON sets the fields that a JSON object has and returns their paths,
// sorted, with everything that is wrong with the body. What the body leaves out
// keeps its value; so does a secret for which the body has "***".
//
// The struct is usable only where no fault is returned. Its values are not
// validated: see [Validate].
func MergeJSON(cfg any, body []byte) (set []string, faults []Fault) {
	return mergeJSON(cfg, body, false)
}

// MergeJSONWithUnits is [MergeJSON] for what a person wrote: sizes may have a unit,
// as in a file.
func MergeJSONWithUnits(cfg any, body []byte) (set []string, faults []Fault) {
	return mergeJSON(cfg, body, true)
}

func mergeJSON(cfg any, body []byte, units bool) (set []string, faults []Fault) {
	a := newAssigner(cfg, Default, "")
	a.fromAPI, a.units = true, units
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	root, err := fromJSON(decoder, 0)
	if err == nil {
		if _, end := decoder.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("something follows the object")
		}
	}
	switch {
	case err != nil:
		a.fault(0, "", "the body is not valid JSON: %v", err)
	case root.shape != shapeTable:
		a.fault(0, "", "the body is %s, not a JSON object", root.shape)
	default:
		a.section("", root)
	}
	return a.names(), a.faults.List
}

// fromJSON reads one value token by token: a decoder into a map would lose
// what is there twice.
func fromJSON(decoder *json.Decoder, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, errors.New("it nests too deeply")
	}
	token, err := nextToken(decoder)
	if err != nil {
		return node{}, err
	}
	switch value := token.(type) {
	case json.Delim:
		if value == '[' {
			return listFromJSON(decoder, depth)
		}
		return tableFromJSON(decoder, depth)
	case string:
		return node{shape: shapeText, text: value}, nil
	case json.Number:
		if strings.ContainsAny(value.String(), ".eE") {
			return node{shape: shapeNumber, text: value.String()}, nil
		}
		return node{shape: shapeWhole, text: value.String()}, nil
	case bool:
		return node{shape: shapeBool, text: fmt.Sprint(value)}, nil
	}
	return node{shape: shapeNull}, nil
}

func listFromJSON(decoder *json.Decoder, depth int) (node, error) {
	n := node{shape: shapeList}
	for decoder.More() {
		item, err := fromJSON(decoder, depth+1)
		if err != nil {
			return n, err
		}
		n.items = append(n.items, item)
	}
	_, err := nextToken(decoder) // the closing bracket
	return n, err
}

func tableFromJSON(decoder *json.Decoder, depth int) (node, error) {
	n := node{shape: shapeTable}
	for decoder.More() {
		token, err := nextToken(decoder)
		if err != nil {
			return n, err
		}
		key, ok := token.(string)
		if !ok {
			return n, fmt.Errorf("%v is not a key", token)
		}
		value, err := fromJSON(decoder, depth+1)
		if err != nil {
			return n, err
		}
		n.entries = append(n.entries, entry{key: key, value: value})
	}
	_, err := nextToken(decoder) // the closing brace
	return n, err
}

// nextToken reads a token where there has to be one.
func nextToken(decoder *json.Decoder) (json.Token, error) {
	token, err := decoder.Token()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("it ends too early")
	}
	return token, err
}
