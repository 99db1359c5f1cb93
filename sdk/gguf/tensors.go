package gguf

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// readTensors reads the list of tensors.
func (h *Header) readTensors(w *window, n int) {
	h.Tensors = make([]Tensor, 0, n)
	for range n {
		at := w.at()
		t := w.tensor()
		if t.OffsetBytes%h.AlignmentBytes != 0 {
			w.fail(at, "the tensor %q begins at %d, which is no multiple of the alignment of %d bytes", t.Name, t.OffsetBytes, h.AlignmentBytes)
		}
		if w.err != nil {
			return
		}
		h.Tensors = append(h.Tensors, t)
	}
	h.TensorsEndBytes = w.at()
}

// tensor reads the entry of one tensor.
func (w *window) tensor() Tensor {
	at := w.at()
	t := Tensor{Name: w.name("a tensor", maxNameBytes)}
	dimensions := w.uint32("the number of a tensor's dimensions")
	if dimensions > maxDimensions {
		w.fail(at, "the tensor %q has %d dimensions; at most %d are read", t.Name, dimensions, maxDimensions)
	}
	if w.err != nil {
		return t
	}
	t.Shape = make([]uint64, dimensions)
	for i := range t.Shape {
		t.Shape[i] = w.uint64("a dimension")
	}
	t.Type = TensorType(w.uint32("the type of a tensor"))
	offset := w.uint64("the offset of a tensor")
	if w.err != nil {
		return t
	}
	if offset > math.MaxInt64 {
		w.fail(at, "the tensor %q begins at %d, beyond the end of the file", t.Name, offset)
	}
	t.OffsetBytes = int64(offset & math.MaxInt64)
	t.SizeBytes = w.tensorSize(at, t)
	return t
}

// tensorSize works out how many bytes a tensor has.
func (w *window) tensorSize(at int64, t Tensor) int64 {
	l, known := t.Type.layout()
	if !known {
		w.fail(at, "the tensor %q has %v, which isn't known", t.Name, t.Type)
		return 0
	}
	elements, row := uint64(1), uint64(1)
	for i, d := range t.Shape {
		if i == 0 {
			row = d
		}
		var hi uint64
		if hi, elements = bits.Mul64(elements, d); hi != 0 || elements > math.MaxInt64 || d == 0 {
			w.fail(at, "the tensor %q has the impossible dimensions %v", t.Name, t.Shape)
			return 0
		}
	}
	if row%l.elements != 0 {
		w.fail(at, "the tensor %q has rows of %d elements, which don't make up blocks of the %d that %v has", t.Name, row, l.elements, t.Type)
		return 0
	}
	size := t.Type.Bytes(elements)
	if size > uint64(w.size) {
		w.fail(at, "the tensor %q of %d bytes is longer than the file, which has %d bytes", t.Name, size, w.size)
		return 0
	}
	return int64(size)
}

// place works out where the weights begin, and checks that each tensor has a name and a
// place of its own there.
func (h *Header) place(w *window) {
	if w.err != nil {
		return
	}
	h.DataOffsetBytes = h.TensorsEndBytes + (-h.TensorsEndBytes & (h.AlignmentBytes - 1))
	if len(h.Tensors) == 0 {
		h.DataOffsetBytes = min(h.DataOffsetBytes, h.SizeBytes)
		return
	}
	order := make([]int, len(h.Tensors))
	for i := range order {
		order[i] = i
	}
	h.checkNames(w, order)
	h.checkPlaces(w, order)
}

// checkNames refuses tensors of the same name. It changes the order of the indices of
// tensors that it is given.
func (h *Header) checkNames(w *window, order []int) {
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(h.Tensors[a].Name, h.Tensors[b].Name) })
	for i := range len(order) - 1 {
		if name := h.Tensors[order[i]].Name; name == h.Tensors[order[i+1]].Name {
			w.fail(h.TensorsEndBytes, "the list of tensors ends, in which %q occurs for the second time", name)
			return
		}
	}
}

// checkPlaces refuses tensors that overlap or go beyond the end of the file. It changes the
// order of the indices as well.
func (h *Header) checkPlaces(w *window, order []int) {
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(h.Tensors[a].OffsetBytes, h.Tensors[b].OffsetBytes) })
	room := h.SizeBytes - h.DataOffsetBytes
	end, before := int64(0), ""
	for _, i := range order {
		t := h.Tensors[i]
		if t.SizeBytes > room || t.OffsetBytes > room-t.SizeBytes {
			w.fail(h.TensorsEndBytes, "the list of tensors ends, of which %q needs %d bytes from %d on: the file has %d bytes for weights",
				t.Name, t.SizeBytes, t.OffsetBytes, max(room, 0))
			return
		}
		if t.OffsetBytes < end {
			w.fail(h.TensorsEndBytes, "the list of tensors ends, of which %q overlaps with %q", t.Name, before)
			return
		}
		end, before = t.OffsetBytes+t.SizeBytes, t.Name
	}
}
