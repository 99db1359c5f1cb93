// Package gguftest makes GGUF files for tests in a few lines, with whatever metadata and
// tensors a test needs:
//
//	f := gguftest.New("llama").
//		Set("llama.block_count", uint32(32)).
//		Tensor("token_embd.weight", gguf.Q4_K, 4096, 128256)
//	h, err := gguf.Read(f.ReaderAt(), f.SizeBytes())
//
// Weights are zero and take no memory unless [File.Bytes] is called, so that the header of
// a model of 40 GB is as cheap as any. Files that can be run are made by package tinymodel.
// [Models] has the headers of well-known models, and [Hostile] files that must be refused.
//
// Everything here panics on what only a mistake in a test can bring about.
package gguftest

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/corral-fleet/corral/sdk/gguf"
)

// File is a GGUF file in the making. It isn't to be changed by several goroutines at once.
type File struct {
	version   uint32
	alignment int64
	keys      []keyValue
	tensors   []tensor
}

type keyValue struct {
	key   string
	value any
}

type tensor struct {
	name  string
	kind  gguf.TensorType
	shape []uint64
}

// New returns a file of version 3 that says of itself only its architecture, and not even
// that where it is empty.
func New(architecture string) *File {
	f := &File{version: 3, alignment: 32}
	if architecture != "" {
		f.Set("general.architecture", architecture)
	}
	return f
}

// Version sets the version of the format.
func (f *File) Version(v uint32) *File {
	f.version = v
	return f
}

// Set sets a key to a value: a bool, a string, a number of a fixed size, or a slice of one
// of these. The first setting decides the place. A general.alignment that is a uint32 is
// also kept to.
func (f *File) Set(key string, value any) *File {
	if n, is := value.(uint32); is && key == "general.alignment" && n > 0 {
		f.alignment = int64(n)
	}
	for i := range f.keys {
		if f.keys[i].key == key {
			f.keys[i].value = value
			return f
		}
	}
	f.keys = append(f.keys, keyValue{key, value})
	return f
}

// Without removes a key.
func (f *File) Without(key string) *File {
	for i := range f.keys {
		if f.keys[i].key == key {
			f.keys = append(f.keys[:i], f.keys[i+1:]...)
			break
		}
	}
	return f
}

// WithoutTensors removes all tensors.
func (f *File) WithoutTensors() *File {
	f.tensors = nil
	return f
}

// Tensor adds a tensor of zeros, behind those that were added before. The first dimension
// is the one whose elements lie next to each other.
func (f *File) Tensor(name string, kind gguf.TensorType, shape ...uint64) *File {
	f.tensors = append(f.tensors, tensor{name, kind, shape})
	return f
}

// Header returns what precedes the weights, with the padding between.
func (f *File) Header() []byte {
	b := append([]byte("GGUF"), 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(b[4:], f.version)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(f.tensors)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(f.keys)))
	for _, kv := range f.keys {
		b = appendValue(AppendString(b, kv.key), kv.value)
	}
	offset := int64(0)
	for _, t := range f.tensors {
		b = AppendTensor(b, t.name, t.kind, uint64(offset), t.shape...)
		offset = f.align(offset + t.size())
	}
	if len(f.tensors) == 0 {
		return b
	}
	return append(b, make([]byte, f.align(int64(len(b)))-int64(len(b)))...)
}

// SizeBytes returns the size of the whole file.
func (f *File) SizeBytes() int64 { return int64(len(f.Header())) + f.weights() }

// weights returns the size of what follows the header.
func (f *File) weights() int64 {
	size := int64(0)
	for _, t := range f.tensors {
		size = f.align(size) + t.size()
	}
	return size
}

// Bytes returns the whole file.
func (f *File) Bytes() []byte {
	return append(f.Header(), make([]byte, f.weights())...)
}

// ReaderAt reads the file, whose weights take no memory. What is set later isn't seen.
func (f *File) ReaderAt() io.ReaderAt { return f.reader() }

func (f *File) reader() zeros {
	header := f.Header()
	return zeros{header: header, size: int64(len(header)) + f.weights()}
}

// Read returns the header as package gguf reads it.
func (f *File) Read() *gguf.Header {
	r := f.reader()
	h, err := gguf.Read(r, r.size)
	if err != nil {
		panic(fmt.Sprintf("gguftest: %v", err))
	}
	return h
}

// align rounds up to a multiple of the alignment.
func (f *File) align(n int64) int64 { return n + (-n & (f.alignment - 1)) }

func (t tensor) size() int64 {
	n := uint64(1)
	for _, d := range t.shape {
		n *= d
	}
	return int64(t.kind.Bytes(n))
}

// zeros is a header with as many zeros behind it as the file is long.
type zeros struct {
	header []byte
	size   int64
}

func (z zeros) ReadAt(p []byte, at int64) (int, error) {
	if at >= z.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), z.size-at))
	clear(p[:n])
	if at < int64(len(z.header)) {
		copy(p[:n], z.header[at:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
