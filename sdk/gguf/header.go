package gguf

import (
	"strings"
)

// Header is what precedes the weights in a GGUF file.
type Header struct {
	Version        uint32
	AlignmentBytes int64
	Metadata       Metadata
	Tensors        []Tensor // in the order of the file
	// KeysOffsetBytes and KeysEndBytes enclose the metadata in the file, and TensorsEndBytes
	// is where the list of tensors ends, which follows it.
	KeysOffsetBytes int64
	KeysEndBytes    int64
	TensorsEndBytes int64
	// DataOffsetBytes is where the weights begin; it is where the file ends when there
	// are none.
	DataOffsetBytes int64
	SizeBytes       int64 // of the whole file
}

// Tensor is an array of weights.
type Tensor struct {
	Name  string
	Shape []uint64 // the dimension whose elements lie next to each other first; none is a single number
	Type  TensorType
	// OffsetBytes counts from the start of the weights, Header.DataOffsetBytes.
	OffsetBytes int64
	SizeBytes   int64
}

// Elements returns the number of the tensor's elements.
func (t Tensor) Elements() uint64 { return product(t.Shape...) }

// Tensor returns the tensor of that name.
func (h *Header) Tensor(name string) (Tensor, bool) {
	for _, t := range h.Tensors {
		if t.Name == name {
			return t, true
		}
	}
	return Tensor{}, false
}

// Architecture returns how the model is built, such as "llama". It is empty where the
// file doesn't say.
func (h *Header) Architecture() string {
	a, _ := h.Metadata.String("general.architecture")
	return a
}

// key returns the name of a key of the model's architecture.
func (h *Header) key(name string) string { return h.Architecture() + "." + name }

// uint returns a count of the model's architecture, and 0 where there is none.
func (h *Header) uint(name string) uint64 {
	n, _ := h.Metadata.Uint(h.key(name))
	return n
}

// text returns a string that may be shown: what isn't UTF-8 is left out.
func (h *Header) text(key string) string {
	s, _ := h.Metadata.String(key)
	return strings.ToValidUTF8(s, "")
}
