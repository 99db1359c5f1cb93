package gguftest

import (
	"encoding/binary"
	"fmt"

	"github.com/corral-fleet/corral/sdk/gguf"
)

// AppendString appends a string as it stands in a header.
func AppendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

// AppendTensor appends the entry of a tensor.
func AppendTensor(b []byte, name string, kind gguf.TensorType, offset uint64, shape ...uint64) []byte {
	b = AppendString(b, name)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(shape)))
	for _, d := range shape {
		b = binary.LittleEndian.AppendUint64(b, d)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(kind))
	return binary.LittleEndian.AppendUint64(b, offset)
}

// appendValue appends a value behind its type.
func appendValue(b []byte, value any) []byte {
	kind, elements := typeOf(value)
	b = binary.LittleEndian.AppendUint32(b, uint32(kind))
	switch v := value.(type) {
	case string:
		return AppendString(b, v)
	case []string:
		b = appendArray(b, elements, len(v))
		for _, s := range v {
			b = AppendString(b, s)
		}
		return b
	}
	if kind == gguf.TypeArray {
		b = appendArray(b, elements, binary.Size(value)/binary.Size(zeroOf(elements)))
	}
	b, err := binary.Append(b, binary.LittleEndian, value)
	if err != nil {
		panic(fmt.Sprintf("gguftest: %T: %v", value, err))
	}
	return b
}

// appendArray appends what precedes the elements of an array.
func appendArray(b []byte, elements gguf.ValueType, n int) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(elements))
	return binary.LittleEndian.AppendUint64(b, uint64(n))
}

// typeOf returns the type of a value, and of its elements where it is an array.
func typeOf(value any) (kind, elements gguf.ValueType) {
	switch value.(type) {
	case uint8:
		return gguf.TypeUint8, 0
	case int8:
		return gguf.TypeInt8, 0
	case uint16:
		return gguf.TypeUint16, 0
	case int16:
		return gguf.TypeInt16, 0
	case uint32:
		return gguf.TypeUint32, 0
	case int32:
		return gguf.TypeInt32, 0
	case uint64:
		return gguf.TypeUint64, 0
	case int64:
		return gguf.TypeInt64, 0
	case float32:
		return gguf.TypeFloat32, 0
	case float64:
		return gguf.TypeFloat64, 0
	case bool:
		return gguf.TypeBool, 0
	case string:
		return gguf.TypeString, 0
	}
	return gguf.TypeArray, elementType(value)
}

func elementType(value any) gguf.ValueType {
	switch value.(type) {
	case []uint8:
		return gguf.TypeUint8
	case []int8:
		return gguf.TypeInt8
	case []uint16:
		return gguf.TypeUint16
	case []int16:
		return gguf.TypeInt16
	case []uint32:
		return gguf.TypeUint32
	case []int32:
		return gguf.TypeInt32
	case []uint64:
		return gguf.TypeUint64
	case []int64:
		return gguf.TypeInt64
	case []float32:
		return gguf.TypeFloat32
	case []float64:
		return gguf.TypeFloat64
	case []bool:
		return gguf.TypeBool
	case []string:
		return gguf.TypeString
	}
	panic(fmt.Sprintf("gguftest: a value of type %T can't be in a header", value))
}

// zeroOf returns a value of the type, which has its size.
func zeroOf(t gguf.ValueType) any {
	switch t {
	case gguf.TypeUint8, gguf.TypeInt8, gguf.TypeBool:
		return uint8(0)
	case gguf.TypeUint16, gguf.TypeInt16:
		return uint16(0)
	case gguf.TypeUint32, gguf.TypeInt32, gguf.TypeFloat32:
		return uint32(0)
	default:
		return uint64(0)
	}
}
