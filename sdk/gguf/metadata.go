package gguf

import (
	"fmt"
	"math"
)

// ValueType is the type of a value in the metadata.
type ValueType uint32

// The types of values.
const (
	TypeUint8   ValueType = 0
	TypeInt8    ValueType = 1
	TypeUint16  ValueType = 2
	TypeInt16   ValueType = 3
	TypeUint32  ValueType = 4
	TypeInt32   ValueType = 5
	TypeFloat32 ValueType = 6
	TypeBool    ValueType = 7
	TypeString  ValueType = 8
	TypeArray   ValueType = 9
	TypeUint64  ValueType = 10
	TypeInt64   ValueType = 11
	TypeFloat64 ValueType = 12
)

// bytes returns the size of a value of that type, and 0 where that differs from value
// to value.
func (t ValueType) bytes() int64 {
	switch t {
	case TypeUint8, TypeInt8, TypeBool:
		return 1
	case TypeUint16, TypeInt16:
		return 2
	case TypeUint32, TypeInt32, TypeFloat32:
		return 4
	case TypeUint64, TypeInt64, TypeFloat64:
		return 8
	default:
		return 0
	}
}

// Metadata is what a file says of itself, in its order. No key occurs twice.
type Metadata []Entry

// Entry is a key with its value.
type Entry struct {
	Key string
	// Value is a uint8, int8, uint16, int16, uint32, int32, uint64, int64, float32,
	// float64, bool, string or [Array].
	Value any
	// OffsetBytes and LengthBytes are the range of the file that has the key and the
	// value.
	OffsetBytes int64
	LengthBytes int64
}

// Array is a value that consists of others.
type Array struct {
	Type ValueType // of the elements
	Len  int       // number of elements
	// Values are the elements, each of the Go type of its [ValueType]. Those of a long
	// array and of a tokenizer's aren't kept: then Values is nil.
	Values []any
}

// Get returns the value of a key.
func (m Metadata) Get(key string) (any, bool) {
	for i := range m {
		if m[i].Key == key {
			return m[i].Value, true
		}
	}
	return nil, false
}

// Has reports whether there is such a key.
func (m Metadata) Has(key string) bool {
	_, has := m.Get(key)
	return has
}

// String returns the value of a key that is a string.
func (m Metadata) String(key string) (string, bool) {
	v, _ := m.Get(key)
	s, is := v.(string)
	return s, is
}

// Bool returns the value of a key that is a boolean.
func (m Metadata) Bool(key string) (value, has bool) {
	v, _ := m.Get(key)
	value, has = v.(bool)
	return value, has
}

// Uint returns the value of a key that is a whole number and not negative, of whatever
// size.
func (m Metadata) Uint(key string) (uint64, bool) {
	v, _ := m.Get(key)
	return toUint(v)
}

// Uints returns the value of a key that is such a number or an array of them that was
// kept. Booleans are 0 and 1. A single number comes as one element.
func (m Metadata) Uints(key string) ([]uint64, bool) {
	v, has := m.Get(key)
	if !has {
		return nil, false
	}
	a, is := v.(Array)
	if !is {
		n, is := toUint(v)
		return []uint64{n}, is
	}
	if a.Values == nil && a.Len > 0 {
		return nil, false
	}
	all := make([]uint64, 0, a.Len)
	for _, e := range a.Values {
		n, is := toUint(e)
		if b, isBool := e.(bool); isBool {
			is = true
			if b {
				n = 1
			}
		}
		if !is {
			return nil, false
		}
		all = append(all, n)
	}
	return all, true
}

// Strings returns the value of a key that is an array of strings that was kept.
func (m Metadata) Strings(key string) ([]string, bool) {
	v, _ := m.Get(key)
	a, is := v.(Array)
	if !is || a.Type != TypeString || (a.Values == nil && a.Len > 0) {
		return nil, false
	}
	all := make([]string, 0, a.Len)
	for _, e := range a.Values {
		s, is := e.(string)
		if !is {
			return nil, false
		}
		all = append(all, s)
	}
	return all, true
}

// Float returns the value of a key that is a finite number of whatever type.
func (m Metadata) Float(key string) (float64, bool) {
	v, _ := m.Get(key)
	var f float64
	switch n := v.(type) {
	case float32:
		f = float64(n)
	case float64:
		f = n
	case int8:
		f = float64(n)
	case int16:
		f = float64(n)
	case int32:
		f = float64(n)
	case int64:
		f = float64(n)
	default:
		u, is := toUint(v)
		return float64(u), is
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}

// Len returns the number of elements of a key that is an array, kept or not.
func (m Metadata) Len(key string) int {
	v, _ := m.Get(key)
	a, _ := v.(Array)
	return a.Len
}

// toUint returns a whole number that isn't negative.
func toUint(v any) (uint64, bool) {
	switch n := v.(type) {
	case uint8:
		return uint64(n), true
	case uint16:
		return uint64(n), true
	case uint32:
		return uint64(n), true
	case uint64:
		return n, true
	case int8:
		return uint64(n), n >= 0
	case int16:
		return uint64(n), n >= 0
	case int32:
		return uint64(n), n >= 0
	case int64:
		return uint64(n), n >= 0
	}
	return 0, false
}

// String returns the format's name of the type.
func (t ValueType) String() string {
	names := [...]string{
		"uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "bool", "string", "array",
		"uint64", "int64", "float64",
	}
	if int64(t) < int64(len(names)) {
		return names[t]
	}
	return fmt.Sprintf("type %d", uint32(t))
}
