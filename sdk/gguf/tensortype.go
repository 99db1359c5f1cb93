package gguf

import "fmt"

// TensorType is how the elements of a tensor are stored: ggml's number for it.
type TensorType uint32

// The tensor types that files may have, under ggml's names without the underscore before a
// letter. Numbers that are missing here were given up by the format.
const (
	F32    TensorType = 0
	F16    TensorType = 1
	Q4_0   TensorType = 2
	Q4_1   TensorType = 3
	Q5_0   TensorType = 6
	Q5_1   TensorType = 7
	Q8_0   TensorType = 8
	Q8_1   TensorType = 9
	Q2K    TensorType = 10
	Q3K    TensorType = 11
	Q4K    TensorType = 12
	Q5K    TensorType = 13
	Q6K    TensorType = 14
	Q8K    TensorType = 15
	IQ2XXS TensorType = 16
	IQ2XS  TensorType = 17
	IQ3XXS TensorType = 18
	IQ1S   TensorType = 19
	IQ4NL  TensorType = 20
	IQ3S   TensorType = 21
	IQ2S   TensorType = 22
	IQ4XS  TensorType = 23
	I8     TensorType = 24
	I16    TensorType = 25
	I32    TensorType = 26
	I64    TensorType = 27
	F64    TensorType = 28
	IQ1M   TensorType = 29
	BF16   TensorType = 30
	TQ1    TensorType = 34
	TQ2    TensorType = 35
	MXFP4  TensorType = 39
	NVFP4  TensorType = 40
	Q1_0   TensorType = 41
	Q2_0   TensorType = 42
)

// layout is how a type puts elements into bytes: blocks of so many elements take so
// many bytes.
type layout struct {
	name     string
	elements uint64
	bytes    uint64
}

// layout returns the type's layout, and false for one that no file may have.
func (t TensorType) layout() (layout, bool) {
	switch t {
	case F32:
		return layout{"F32", 1, 4}, true
	case F16:
		return layout{"F16", 1, 2}, true
	case BF16:
		return layout{"BF16", 1, 2}, true
	case F64:
		return layout{"F64", 1, 8}, true
	case I8:
		return layout{"I8", 1, 1}, true
	case I16:
		return layout{"I16", 1, 2}, true
	case I32:
		return layout{"I32", 1, 4}, true
	case I64:
		return layout{"I64", 1, 8}, true
	case Q4_0:
		return layout{"Q4_0", 32, 18}, true
	case Q4_1:
		return layout{"Q4_1", 32, 20}, true
	case Q5_0:
		return layout{"Q5_0", 32, 22}, true
	case Q5_1:
		return layout{"Q5_1", 32, 24}, true
	case Q8_0:
		return layout{"Q8_0", 32, 34}, true
	case Q8_1:
		return layout{"Q8_1", 32, 36}, true
	case Q2K:
		return layout{"Q2_K", 256, 84}, true
	case Q3K:
		return layout{"Q3_K", 256, 110}, true
	case Q4K:
		return layout{"Q4_K", 256, 144}, true
	case Q5K:
		return layout{"Q5_K", 256, 176}, true
	case Q6K:
		return layout{"Q6_K", 256, 210}, true
	case Q8K:
		return layout{"Q8_K", 256, 292}, true
	default:
		return t.recentLayout()
	}
}

// recentLayout is layout for the types of very few bits.
func (t TensorType) recentLayout() (layout, bool) {
	switch t {
	case IQ1S:
		return layout{"IQ1_S", 256, 50}, true
	case IQ1M:
		return layout{"IQ1_M", 256, 56}, true
	case IQ2XXS:
		return layout{"IQ2_XXS", 256, 66}, true
	case IQ2XS:
		return layout{"IQ2_XS", 256, 74}, true
	case IQ2S:
		return layout{"IQ2_S", 256, 82}, true
	case IQ3XXS:
		return layout{"IQ3_XXS", 256, 98}, true
	case IQ3S:
		return layout{"IQ3_S", 256, 110}, true
	case IQ4NL:
		return layout{"IQ4_NL", 32, 18}, true
	case IQ4XS:
		return layout{"IQ4_XS", 256, 136}, true
	case TQ1:
		return layout{"TQ1_0", 256, 54}, true
	case TQ2:
		return layout{"TQ2_0", 256, 66}, true
	case MXFP4:
		return layout{"MXFP4", 32, 17}, true
	case NVFP4:
		return layout{"NVFP4", 64, 36}, true
	case Q1_0:
		return layout{"Q1_0", 128, 18}, true
	case Q2_0:
		return layout{"Q2_0", 64, 18}, true
	}
	return layout{}, false
}

// Known reports whether the size of the type's tensors is known.
func (t TensorType) Known() bool {
	_, known := t.layout()
	return known
}

// String returns ggml's name of the type, such as "Q4_K".
func (t TensorType) String() string {
	if l, known := t.layout(); known {
		return l.name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// BlockElements returns how many elements are stored together; rows consist of whole
// blocks. It is 0 for a type that isn't known.
func (t TensorType) BlockElements() uint64 {
	l, _ := t.layout()
	return l.elements
}

// BlockBytes returns the size of a block. It is 0 for a type that isn't known.
func (t TensorType) BlockBytes() uint64 {
	l, _ := t.layout()
	return l.bytes
}

// Bytes returns the size of so many elements in whole blocks, saturating. It is 0 for
// a type that isn't known.
func (t TensorType) Bytes(elements uint64) uint64 {
	l, known := t.layout()
	if !known {
		return 0
	}
	blocks := elements / l.elements
	if elements%l.elements != 0 {
		blocks++
	}
	return product(blocks, l.bytes)
}
