package config

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Text returns the value as a variable would hold it, a secret as its
// stand-in: elements of a list joined by commas, entries of a map as k=v in
// the order of their keys.
func (f Field) Text() string {
	switch {
	case isList(f.value.Type()):
		items := make([]string, f.value.Len())
		for i := range items {
			items[i] = formatScalar(f.value.Index(i))
		}
		return strings.Join(items, ",")
	case isMap(f.value.Type()):
		var items []string
		for _, key := range sortedKeys(f.value) {
			items = append(items, key.String()+"="+f.value.MapIndex(key).String())
		}
		return strings.Join(items, ",")
	}
	return formatScalar(f.value)
}

// setTexts sets the field from the texts of a variable or a flag, each of
// which may hold several elements of a list, and with split several entries of
// a map, between commas. It leaves the field alone when one of them is wrong.
func (f Field) setTexts(texts []string, split bool) error {
	t := f.value.Type()
	switch {
	case isList(t):
		list := reflect.MakeSlice(t, 0, len(texts))
		for _, item := range splitItems(texts, true) {
			element := reflect.New(t.Elem()).Elem()
			if err := parseScalar(element, item); err != nil {
				return err
			}
			list = reflect.Append(list, element)
		}
		f.value.Set(list)
		return nil
	case isMap(t):
		entries := reflect.MakeMap(t)
		for _, item := range splitItems(texts, split) {
			key, value, ok := strings.Cut(item, "=")
			if !ok || key == "" {
				return fmt.Errorf("%q is not of the form key=value", item)
			}
			entries.SetMapIndex(reflect.ValueOf(key).Convert(t.Key()), reflect.ValueOf(value).Convert(t.Elem()))
		}
		f.value.Set(entries)
		return nil
	}
	return parseScalar(f.value, texts[len(texts)-1])
}

// splitItems returns what stands between commas, without the space around it
// and without what is empty.
func splitItems(texts []string, split bool) []string {
	var items []string
	for _, text := range texts {
		parts := []string{text}
		if split {
			parts = strings.Split(text, ",")
		}
		for _, part := range parts {
			if part = strings.TrimSpace(part); part != "" {
				items = append(items, part)
			}
		}
	}
	return items
}

// parseScalar sets v from text. Its errors speak of the text, but never of a secret's.
func parseScalar(v reflect.Value, text string) error {
	switch target := v.Addr().Interface().(type) {
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration, such as 30s or 1h30m", text)
		}
		*target = d
		return nil
	case *Size:
		size, err := ParseSize(text)
		if err != nil {
			return err
		}
		*target = size
		return nil
	case encoding.TextUnmarshaler:
		// Into a value of its own, because one that fails may leave half of it.
		parsed := reflect.New(v.Type())
		if err := parsed.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
			return fmt.Errorf("%q is not valid: %w", text, err)
		}
		v.Set(parsed.Elem())
		return nil
	}
	switch {
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(b)
	case v.CanInt():
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return numberError(text, err)
		}
		v.SetInt(n)
	case v.CanUint():
		n, err := strconv.ParseUint(text, 10, v.Type().Bits())
		if err != nil {
			return numberError(text, err)
		}
		v.SetUint(n)
	case v.CanFloat():
		x, err := strconv.ParseFloat(text, v.Type().Bits())
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("%q is not a finite number", text)
		}
		v.SetFloat(x)
	}
	return nil
}

func numberError(text string, err error) error {
	_, notSigned := strconv.ParseInt(text, 10, 64)
	if notSigned == nil || errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("%s is out of range", text)
	}
	return fmt.Errorf("%q is not a whole number", text)
}

func formatScalar(v reflect.Value) string {
	switch value := v.Interface().(type) {
	case time.Duration:
		return value.String()
	case Size:
		return value.String()
	case encoding.TextMarshaler:
		text, err := value.MarshalText()
		if err != nil {
			return ""
		}
		return string(text)
	}
	return fmt.Sprint(v.Interface())
}

func sortedKeys(m reflect.Value) []reflect.Value {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}
