package gguf

import (
	"encoding/binary"
	"math"
	"strings"
)

// value reads the type and the value of a key.
func (w *window) value(key string) any {
	at := w.at()
	t := ValueType(w.uint32("the type of a value"))
	switch {
	case w.err != nil:
		return nil
	case t == TypeArray:
		return w.array(key)
	case t == TypeString:
		s := w.string("a string", maxStringBytes)
		w.keep(len(s))
		return s
	case t.bytes() == 0:
		w.fail(at, "the key %q has a value of %v, which doesn't exist", shortened(key), t)
		return nil
	}
	return w.scalar(t)
}

// scalar reads a value of a fixed size.
func (w *window) scalar(t ValueType) any {
	at := w.at()
	switch t {
	case TypeUint8:
		return w.uint8("a value")
	case TypeInt8:
		return int8(w.uint8("a value"))
	case TypeUint16:
		return w.uint16("a value")
	case TypeInt16:
		return int16(w.uint16("a value"))
	case TypeUint32:
		return w.uint32("a value")
	case TypeInt32:
		return int32(w.uint32("a value"))
	case TypeFloat32:
		return math.Float32frombits(w.uint32("a value"))
	case TypeUint64:
		return w.uint64("a value")
	case TypeInt64:
		return int64(w.uint64("a value"))
	case TypeFloat64:
		return math.Float64frombits(w.uint64("a value"))
	case TypeBool:
		b := w.uint8("a value")
		if b > 1 {
			w.fail(at, "a boolean is %d: it has to be 0 or 1", b)
		}
		return b == 1
	default: // the caller has seen to it
		w.fail(at, "a value has %v", t)
		return nil
	}
}

// array reads an array, and keeps its elements where they are few and may say
// something of the model.
func (w *window) array(key string) any {
	at := w.at()
	a := Array{Type: ValueType(w.uint32("the type of an array's elements"))}
	least := a.Type.bytes()
	switch {
	case w.err != nil:
		return nil
	case a.Type == TypeArray:
		w.fail(at, "the key %q has an array of arrays, which no model has", shortened(key))
		return nil
	case a.Type == TypeString:
		least = 8 // its length
	case least == 0:
		w.fail(at, "the key %q has an array of %v, which doesn't exist", shortened(key), a.Type)
		return nil
	}
	a.Len = w.count("elements of the array "+shortened(key), maxArrayElements, least)
	if w.err != nil {
		return nil
	}
	keep := a.Len <= keptElements && !strings.HasPrefix(key, "tokenizer.")
	switch {
	case keep && a.Type == TypeString:
		a.Values = w.strings(a.Len)
	case keep && w.keep(a.Len*elementOfArrayBytes):
		a.Values = make([]any, a.Len)
		for i := range a.Values {
			a.Values[i] = w.scalar(a.Type)
		}
	case a.Type == TypeString:
		w.skipStrings(a.Len)
	default:
		w.skip(int64(a.Len)*least, "an array")
	}
	return a
}

// strings reads strings, and returns none of them when they are too long to be kept.
func (w *window) strings(n int) []any {
	all, size := make([]any, 0, n), 0
	for i := range n {
		s := w.string("a string", maxStringBytes)
		if w.err != nil {
			return nil
		}
		if size += len(s); size > keptStringBytes {
			w.skipStrings(n - i - 1)
			return nil
		}
		all = append(all, s)
	}
	w.keep(n*elementOfArrayBytes + size)
	return all
}

// What an entry and an element of an array take in memory beside their texts.
const (
	entryBytes          = 64
	elementOfArrayBytes = 32
)

// keep counts what metadata takes in memory, and says whether there may be so much of it.
func (w *window) keep(bytes int) bool {
	if w.kept += bytes; w.kept > maxKeptBytes {
		w.fail(w.at(), "the metadata, without the vocabulary, has come to more than %d MiB", maxKeptBytes>>20)
	}
	return w.err == nil
}

// skipStrings goes past strings. This is most of what is read of a model: its
// vocabulary has some hundred thousand.
func (w *window) skipStrings(n int) {
	for range n {
		// Most lie in the window whole.
		if rest := w.buf[w.next:]; len(rest) >= 8 {
			if length := binary.LittleEndian.Uint64(rest); length <= min(maxStringBytes, uint64(len(rest)-8)) {
				w.next += 8 + int(length)
				continue
			}
		}
		length, there := w.stringLength("a string", maxStringBytes)
		if !there {
			return
		}
		w.skip(int64(length), "a string")
	}
}
