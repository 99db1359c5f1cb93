package tinymodel

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
)

// What GGUF calls its versions and types.
const (
	ggufVersion   = 3
	ggufAlignment = 32 // bytes; the default, which no key has to declare

	typeUint32  = 4
	typeInt32   = 5
	typeFloat32 = 6
	typeBool    = 7
	typeString  = 8
	typeArray   = 9

	tensorFloat32 = 0
	tensorFloat16 = 1
)

// A file is a GGUF file in the making: metadata and tensors in the order in
// which they are set. Those to be left out are dropped when they are set.
type file struct {
	omit     []string
	omitted  []string // those of omit that occurred
	keys     uint64
	metadata []byte // encoded keys and values
	tensors  []tensor
}

func newFile(omit []string) *file { return &file{omit: omit} }

// skip says whether the key or tensor is to be left out.
func (f *file) skip(name string) bool {
	if !slices.Contains(f.omit, name) {
		return false
	}
	f.omitted = append(f.omitted, name)
	return true
}

// unmatched says whether a name to be left out never occurred.
func (f *file) unmatched() error {
	for _, name := range f.omit {
		if !slices.Contains(f.omitted, name) {
			return fmt.Errorf("there is no %q to omit", name)
		}
	}
	return nil
}

// value adds a key with a value that is encoded already.
func (f *file) value(key string, kind uint32, encoded []byte) {
	if f.skip(key) {
		return
	}
	f.keys++
	f.metadata = appendString(f.metadata, key)
	f.metadata = binary.LittleEndian.AppendUint32(f.metadata, kind)
	f.metadata = append(f.metadata, encoded...)
}

func (f *file) string(key, v string) { f.value(key, typeString, appendString(nil, v)) }

func (f *file) uint32(key string, v uint32) {
	f.value(key, typeUint32, binary.LittleEndian.AppendUint32(nil, v))
}

func (f *file) float32(key string, v float32) {
	f.value(key, typeFloat32, binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
}

func (f *file) bool(key string, v bool) {
	encoded := []byte{0}
	if v {
		encoded[0] = 1
	}
	f.value(key, typeBool, encoded)
}

func (f *file) strings(key string, v []string) {
	encoded := appendArrayHeader(nil, typeString, len(v))
	for _, s := range v {
		encoded = appendString(encoded, s)
	}
	f.value(key, typeArray, encoded)
}

func (f *file) int32s(key string, v []int32) {
	encoded := appendArrayHeader(nil, typeInt32, len(v))
	for _, n := range v {
		encoded = binary.LittleEndian.AppendUint32(encoded, uint32(n))
	}
	f.value(key, typeArray, encoded)
}

func (f *file) tensor(t tensor) {
	if !f.skip(t.name) {
		f.tensors = append(f.tensors, t)
	}
}

// write writes the file, each tensor at a multiple of the alignment.
func (f *file) write(w io.Writer) error {
	b := bufio.NewWriterSize(w, 1<<16)
	if _, err := b.Write(pad(f.header())); err != nil {
		return err
	}
	for _, t := range f.tensors {
		if err := t.write(b); err != nil {
			return err
		}
	}
	return b.Flush()
}

// header returns all that precedes the tensors' data.
func (f *file) header() []byte {
	h := []byte("GGUF")
	h = binary.LittleEndian.AppendUint32(h, ggufVersion)
	h = binary.LittleEndian.AppendUint64(h, uint64(len(f.tensors)))
	h = binary.LittleEndian.AppendUint64(h, f.keys)
	h = append(h, f.metadata...)
	offset := 0
	for _, t := range f.tensors {
		h = t.appendInfo(h, uint64(offset))
		offset += t.size() + padding(t.size())
	}
	return h
}

// appendInfo appends the tensor's entry. The first dimension is the one whose
// elements lie next to each other.
func (t tensor) appendInfo(h []byte, offset uint64) []byte {
	dimensions, kind := []int{t.cols, t.rows}, uint32(tensorFloat16)
	if t.rows == 0 {
		dimensions, kind = []int{t.cols}, tensorFloat32
	}
	h = appendString(h, t.name)
	h = binary.LittleEndian.AppendUint32(h, uint32(len(dimensions)))
	for _, d := range dimensions {
		h = binary.LittleEndian.AppendUint64(h, uint64(d))
	}
	h = binary.LittleEndian.AppendUint32(h, kind)
	return binary.LittleEndian.AppendUint64(h, offset)
}

// size returns the number of bytes of the tensor's data.
func (t tensor) size() int {
	if t.rows == 0 {
		return 4 * t.cols
	}
	return 2 * t.cols * t.rows
}

// write writes the tensor's data and its padding.
func (t tensor) write(w io.Writer) error {
	if err := t.writeData(w); err != nil {
		return err
	}
	_, err := w.Write(make([]byte, padding(t.size())))
	return err
}

func (t tensor) writeData(w io.Writer) error {
	row := make([]float32, t.cols)
	var encoded []byte
	for i := range max(t.rows, 1) {
		clear(row)
		t.fill(i, row)
		encoded = encoded[:0]
		for _, v := range row {
			if t.rows == 0 {
				encoded = binary.LittleEndian.AppendUint32(encoded, math.Float32bits(v))
			} else {
				encoded = binary.LittleEndian.AppendUint16(encoded, float16(v))
			}
		}
		if _, err := w.Write(encoded); err != nil {
			return err
		}
	}
	return nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

func appendArrayHeader(b []byte, kind uint32, n int) []byte {
	b = binary.LittleEndian.AppendUint32(b, kind)
	return binary.LittleEndian.AppendUint64(b, uint64(n))
}

// pad returns b with zeros up to a multiple of the alignment.
func pad(b []byte) []byte { return append(b, make([]byte, padding(len(b)))...) }

// padding returns how many bytes n lacks to a multiple of the alignment.
func padding(n int) int { return -n & (ggufAlignment - 1) }
