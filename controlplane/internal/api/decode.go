package api

import (
	"encoding/json"
	"errors"
	"reflect"

	"github.com/corral-fleet/corral/sdk/fault"
)

// decode reads a JSON object. Fields that v does not have are allowed, since
// clients are older and newer than we are; fields of a wrong type are
// fault.Invalid with their name. A field that is null is as good as missing.
func decode(body []byte, v any) error {
	if len(body) == 0 {
		return fault.New(fault.Invalid, "the body is empty; a JSON object is needed").On(fault.Caller)
	}
	err := json.Unmarshal(body, v)
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong) && wrong.Field == "":
		return fault.Wrap(fault.Invalid, err, "the body is %s, not a JSON object", article(wrong.Value)).On(fault.Caller)
	case errors.As(err, &wrong):
		return fault.Wrap(fault.Invalid, err, "the field %q has to be %s, not %s",
			wrong.Field, wanted(wrong.Type), article(wrong.Value)).On(fault.Caller)
	}
	return fault.Wrap(fault.Invalid, err, "the body is not valid JSON: %v", err).On(fault.Caller)
}

// wanted says in the words of JSON what a field should have been.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "an integer"
	case reflect.Slice:
		return "a list"
	}
	return "an object"
}

// article puts one before what a decoder found, such as "number 1.5".
func article(found string) string {
	switch found {
	case "array":
		return "a list"
	case "object":
		return "an object"
	case "bool":
		return "true or false"
	}
	return "a " + found
}

// missing is a field that has to be there.
func missing(field string) error {
	return fault.New(fault.Invalid, "the field %q is missing or empty", field).On(fault.Caller)
}
