// Package safetensors reads the headers of safetensors files. A header is data from a
// stranger: what breaks the format is refused, with a sentence, before anything is
// allocated for it.
package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math/bits"
	"slices"

	"github.com/corral-fleet/corral/sdk/fault"
)

// What a header may have at most.
const (
	maxHeaderBytes = 16 << 20
	maxTensors     = 200_000
	maxDimensions  = 8
	maxNameBytes   = 1024
)

// lengthBytes is where the header begins: behind its length.
const lengthBytes = 8

// Tensor is an array of weights.
type Tensor struct {
	Name  string
	Type  string // such as BF16
	Shape []uint64
	// SizeBytes of it in the file.
	SizeBytes int64
}

// Elements returns the number of the tensor's elements.
func (t Tensor) Elements() uint64 {
	n := uint64(1)
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// typeBits are the sizes of the types, in bits.
func typeBits(name string) (uint64, bool) {
	switch name {
	case "F64", "I64", "U64":
		return 64, true
	case "F32", "I32", "U32":
		return 32, true
	case "F16", "BF16", "I16", "U16":
		return 16, true
	case "F8_E4M3", "F8_E5M2", "F8_E8M0", "I8", "U8", "BOOL":
		return 8, true
	case "F6_E2M3", "F6_E3M2":
		return 6, true
	case "F4", "F4_E2M1":
		return 4, true
	}
	return 0, false
}

// Looks reports whether a file that begins so may be one.
func Looks(head []byte) bool {
	return len(head) > lengthBytes && head[lengthBytes] == '{' && binary.LittleEndian.Uint64(head) <= maxHeaderBytes
}

// Read reads the header of a file of so many bytes, and returns its tensors in the order
// of their names. An error of the file's reader is returned so that errors.Is finds it.
func Read(file io.ReaderAt, sizeBytes int64) ([]Tensor, error) {
	length := make([]byte, lengthBytes)
	if sizeBytes < lengthBytes {
		return nil, corrupt("it has %d bytes, and the shortest has %d", sizeBytes, lengthBytes)
	}
	if err := readAt(file, length, 0); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(length)
	switch {
	case n > uint64(sizeBytes-lengthBytes):
		return nil, corrupt("its header of %d bytes goes beyond its end", n)
	case n > maxHeaderBytes:
		return nil, corrupt("its header has %d bytes, more than %d", n, maxHeaderBytes)
	}
	text := make([]byte, n)
	if err := readAt(file, text, lengthBytes); err != nil {
		return nil, err
	}
	return parse(text, sizeBytes-lengthBytes-int64(n))
}

func readAt(file io.ReaderAt, p []byte, offset int64) error {
	switch n, err := file.ReadAt(p, offset); {
	case n == len(p):
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), err == nil:
		return corrupt("it ends in its header")
	default:
		return err
	}
}

// entry is a tensor as a header has it.
type entry struct {
	Type    string    `json:"dtype"`
	Shape   []uint64  `json:"shape"`
	Offsets [2]uint64 `json:"data_offsets"`
}

// parse reads a header whose weights have so many bytes.
func parse(text []byte, dataBytes int64) ([]Tensor, error) {
	entries := map[string]json.RawMessage{}
	if err := json.Unmarshal(bytes.TrimRight(text, " "), &entries); err != nil {
		return nil, corrupt("its header is no JSON object: %v", err)
	}
	delete(entries, "__metadata__")
	if len(entries) == 0 || len(entries) > maxTensors {
		return nil, corrupt("it has %d tensors", len(entries))
	}
	type placed struct {
		Tensor
		begin, end uint64
	}
	all := make([]placed, 0, len(entries))
	for name, one := range entries {
		var e entry
		if err := json.Unmarshal(one, &e); err != nil {
			return nil, corrupt("its tensor %.80q is none: %v", name, err)
		}
		if err := e.check(name, uint64(dataBytes)); err != nil {
			return nil, err
		}
		all = append(all, placed{Tensor{name, e.Type, e.Shape, int64(e.Offsets[1] - e.Offsets[0])}, e.Offsets[0], e.Offsets[1]})
	}
	slices.SortFunc(all, func(a, b placed) int { return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end)) })
	for i := range all[1:] {
		if all[i+1].begin < all[i].end {
			return nil, corrupt("its tensors %.80q and %.80q are in one place", all[i].Name, all[i+1].Name)
		}
	}
	slices.SortFunc(all, func(a, b placed) int { return cmp.Compare(a.Name, b.Name) })
	tensors := make([]Tensor, len(all))
	for i := range all {
		tensors[i] = all[i].Tensor
	}
	return tensors, nil
}

// check returns what is wrong with a tensor.
func (e entry) check(name string, dataBytes uint64) error {
	width, known := typeBits(e.Type)
	switch {
	case name == "" || len(name) > maxNameBytes:
		return corrupt("it has a tensor with a name of %d bytes", len(name))
	case !known:
		return corrupt("its tensor %.80q has the type %.80q, which isn't known", name, e.Type)
	case len(e.Shape) > maxDimensions:
		return corrupt("its tensor %.80q has %d dimensions", name, len(e.Shape))
	case e.Offsets[1] < e.Offsets[0], e.Offsets[1] > dataBytes:
		return corrupt("its tensor %.80q is at %d to %d of %d bytes", name, e.Offsets[0], e.Offsets[1], dataBytes)
	}
	size := width
	for _, d := range e.Shape {
		var over uint64
		if over, size = bits.Mul64(size, d); over != 0 {
			return corrupt("its tensor %.80q has the impossible dimensions %v", name, e.Shape)
		}
	}
	if have := e.Offsets[1] - e.Offsets[0]; size%8 != 0 || size/8 != have {
		return corrupt("its tensor %.80q of %v, %s, has %d bytes", name, e.Shape, e.Type, have)
	}
	return nil
}

func corrupt(format string, args ...any) error {
	return fault.New(fault.Corrupt, "the file is no sound safetensors: "+format, args...)
}
