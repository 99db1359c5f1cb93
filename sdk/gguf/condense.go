package gguf

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Condense returns a header that says the same of how a model is built, in as few bytes
// as can be kept for each of many models: without its tokenizer, its template and its
// place in a model of several files, and with tensors that lie one after the other.
// [ReadCondensed] reads it, and an estimate of that is an estimate of the model.
func (h *Header) Condense() []byte {
	var kept Metadata
	for _, e := range h.Metadata {
		a, isArray := e.Value.(Array)
		if strings.HasPrefix(e.Key, "tokenizer.") || strings.HasPrefix(e.Key, "split.") || isArray && a.Values == nil && a.Len > 0 {
			continue
		}
		kept = append(kept, e)
	}
	b := append([]byte("GGUF"), 3, 0, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(h.Tensors)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(kept)))
	for _, e := range kept {
		b = appendValue(appendString(b, e.Key), e.Value)
	}
	offset := int64(0)
	for _, t := range h.Tensors {
		b = appendString(b, t.Name)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(t.Shape)))
		for _, n := range t.Shape {
			b = binary.LittleEndian.AppendUint64(b, n)
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(t.Type))
		b = binary.LittleEndian.AppendUint64(b, uint64(offset))
		offset = roundUp(offset+t.SizeBytes, h.AlignmentBytes)
	}
	return binary.LittleEndian.AppendUint64(b, uint64(roundUp(int64(len(b)), h.AlignmentBytes)+offset))
}

// ReadCondensed returns the header that was condensed.
func ReadCondensed(b []byte) (*Header, error) {
	const length = 8 // of the size, which stands at the end
	if len(b) < length {
		return nil, fault.New(fault.Invalid, "a header that was condensed has %d bytes", len(b))
	}
	header, size := b[:len(b)-length], binary.LittleEndian.Uint64(b[len(b)-length:])
	if size < uint64(len(header)) || size > 1<<62 {
		return nil, fault.New(fault.Invalid, "a header that was condensed says that its file has %d bytes", size)
	}
	return Read(padded{header, int64(size)}, int64(size))
}

// padded is a file of which the header alone is known.
type padded struct {
	header    []byte
	sizeBytes int64
}

func (p padded) ReadAt(to []byte, at int64) (int, error) {
	n := int(max(0, min(int64(len(to)), p.sizeBytes-at)))
	clear(to[:n])
	if at < int64(len(p.header)) {
		copy(to[:n], p.header[at:])
	}
	if n < len(to) {
		return n, io.EOF
	}
	return n, nil
}

// roundUp returns the next multiple of an alignment, which is a power of two.
func roundUp(n, alignment int64) int64 { return (n + alignment - 1) &^ (alignment - 1) }

func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

// appendValue appends a value, which is one that Read has made, behind its type.
func appendValue(b []byte, value any) []byte {
	a, isArray := value.(Array)
	if !isArray {
		return appendScalar(binary.LittleEndian.AppendUint32(b, uint32(typeOf(value))), value)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(TypeArray))
	b = binary.LittleEndian.AppendUint32(b, uint32(a.Type))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(a.Values)))
	for _, v := range a.Values {
		b = appendScalar(b, v)
	}
	return b
}

func appendScalar(b []byte, value any) []byte {
	if s, is := value.(string); is {
		return appendString(b, s)
	}
	var out bytes.Buffer
	if err := binary.Write(&out, binary.LittleEndian, value); err != nil {
		panic(err) // a number or a boolean can be written
	}
	return append(b, out.Bytes()...)
}

func typeOf(value any) ValueType {
	switch value.(type) {
	case uint8:
		return TypeUint8
	case int8:
		return TypeInt8
	case uint16:
		return TypeUint16
	case int16:
		return TypeInt16
	case uint32:
		return TypeUint32
	case int32:
		return TypeInt32
	case uint64:
		return TypeUint64
	case int64:
		return TypeInt64
	case float32:
		return TypeFloat32
	case float64:
		return TypeFloat64
	case bool:
		return TypeBool
	default:
		return TypeString
	}
}
