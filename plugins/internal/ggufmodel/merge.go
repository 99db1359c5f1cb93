package ggufmodel

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/corral-fleet/corral/sdk/gguf"
	"github.com/corral-fleet/corral/sdk/loader"
)

// parts returns the bytes of a GGUF: those of its file, or what a GGUF that was split
// was before. Of that the beginning and the list of tensors are made anew; all else are
// ranges of the files.
func (p part) parts() []loader.Part {
	if p.count == 1 {
		return []loader.Part{{File: p.files[0].Path, LengthBytes: p.files[0].SizeBytes}}
	}
	var m merged
	first := p.headers[0]
	kept := 0
	for _, e := range first.Metadata {
		if !strings.HasPrefix(e.Key, "split.") {
			kept++
		}
	}
	beginning := binary.LittleEndian.AppendUint32([]byte(Magic), first.Version)
	beginning = binary.LittleEndian.AppendUint64(beginning, uint64(len(p.joined.Tensors)))
	m.inline(binary.LittleEndian.AppendUint64(beginning, uint64(kept)))
	for _, e := range first.Metadata {
		if !strings.HasPrefix(e.Key, "split.") {
			m.rangeOf(p.files[0].Path, e.OffsetBytes, e.LengthBytes)
		}
	}
	m.inline(p.tensors())
	m.align(first.AlignmentBytes)
	for i, h := range p.headers {
		m.rangeOf(p.files[i].Path, h.DataOffsetBytes, h.SizeBytes-h.DataOffsetBytes)
		if i < len(p.headers)-1 {
			m.align(h.AlignmentBytes)
		}
	}
	return m.parts
}

// tensors is the list of tensors of a model whose files come one after the other.
func (p part) tensors() []byte {
	var list bytes.Buffer
	base := int64(0) // where the weights of a file are among those of all
	for _, h := range p.headers {
		for _, t := range h.Tensors {
			list.Write(entry(t, base+t.OffsetBytes))
		}
		base = aligned(base+h.SizeBytes-h.DataOffsetBytes, h.AlignmentBytes)
	}
	return list.Bytes()
}

// entry is a tensor in the list of a header.
func entry(t gguf.Tensor, offset int64) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(t.Name)))
	b = append(b, t.Name...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(t.Shape)))
	for _, n := range t.Shape {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(t.Type))
	return binary.LittleEndian.AppendUint64(b, uint64(offset))
}

// aligned returns the next multiple of an alignment, which is a power of two.
func aligned(n, alignment int64) int64 { return (n + alignment - 1) &^ (alignment - 1) }

// merged are parts as they are put together.
type merged struct {
	parts []loader.Part
	bytes int64 // of all of them
}

func (m *merged) inline(b []byte) {
	if len(b) == 0 {
		return
	}
	m.bytes += int64(len(b))
	if last := len(m.parts) - 1; last >= 0 && m.parts[last].File == "" {
		m.parts[last].Inline = append(m.parts[last].Inline, b...)
		m.parts[last].LengthBytes += int64(len(b))
		return
	}
	m.parts = append(m.parts, loader.Part{Inline: b, LengthBytes: int64(len(b))})
}

func (m *merged) rangeOf(file string, offset, length int64) {
	if length == 0 {
		return
	}
	m.bytes += length
	if last := len(m.parts) - 1; last >= 0 {
		if before := &m.parts[last]; before.File == file && before.OffsetBytes+before.LengthBytes == offset {
			before.LengthBytes += length
			return
		}
	}
	m.parts = append(m.parts, loader.Part{File: file, OffsetBytes: offset, LengthBytes: length})
}

func (m *merged) align(alignment int64) { m.inline(make([]byte, aligned(m.bytes, alignment)-m.bytes)) }
