package gguf

import (
	"cmp"
	"slices"
)

// TypeShare is how much of a file has one tensor type.
type TypeShare struct {
	Type     string `json:"type"` // ggml's name, such as "Q4_K"
	Tensors  int    `json:"tensors"`
	Elements uint64 `json:"elements"`
	Bytes    uint64 `json:"bytes"`
}

// Quantisation is how the weights are stored.
type Quantisation struct {
	// Name is what people call it, such as "Q4_K_M". It is what the file says where its
	// tensors agree, and otherwise the type that most of the weights have.
	Name string `json:"name"`
	// Declared is what the file says, empty where it says nothing that is known.
	Declared string `json:"declared,omitempty"`
	// Misdeclared is set where the file says something else than its tensors.
	Misdeclared bool `json:"misdeclared,omitempty"`
	// BitsPerWeight is the mean over all tensors.
	BitsPerWeight float64 `json:"bits_per_weight"`
	// Types are the types of the tensors, that of most bytes first.
	Types []TypeShare `json:"types"`
}

// quantisation says how the weights are stored, and whether what the file says of it is
// true.
func (h *Header) quantisation() Quantisation {
	var q Quantisation
	q.Types = h.types()
	var elements, bytes uint64
	for _, s := range q.Types {
		elements, bytes = sum(elements, s.Elements), sum(bytes, s.Bytes)
	}
	if elements > 0 {
		q.BitsPerWeight = 8 * float64(bytes) / float64(elements)
	}
	main, has := h.mainType()
	if has {
		q.Name = main.String()
	}
	n, declares := h.Metadata.Uint("general.file_type")
	if t := FileType(min(n, 1<<16)); declares && t.Known() {
		q.Declared = t.String()
		q.Misdeclared = has && !t.made(main)
		if !q.Misdeclared {
			q.Name = q.Declared
		}
	}
	return q
}

// types counts the tensors of each type.
func (h *Header) types() []TypeShare {
	shares := map[TensorType]*TypeShare{}
	for _, t := range h.Tensors {
		s := shares[t.Type]
		if s == nil {
			s = &TypeShare{Type: t.Type.String()}
			shares[t.Type] = s
		}
		s.Tensors++
		s.Elements = sum(s.Elements, t.Elements())
		s.Bytes = sum(s.Bytes, uint64(t.SizeBytes))
	}
	all := make([]TypeShare, 0, len(shares))
	for _, s := range shares {
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b TypeShare) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Type, b.Type))
	})
	return all
}

// mainType returns the type of most weights of the layers' matrices, which is what a
// quantisation is named after: embeddings and norms are often stored more exactly. In
// a file without layers all tensors count.
func (h *Header) mainType() (TensorType, bool) {
	inLayers, inAll := map[TensorType]uint64{}, map[TensorType]uint64{}
	for _, t := range h.Tensors {
		inAll[t.Type] = sum(inAll[t.Type], t.Elements())
		if place := placeOf(t.Name); place.layer >= 0 && len(t.Shape) > 1 {
			inLayers[t.Type] = sum(inLayers[t.Type], t.Elements())
		}
	}
	counts := inLayers
	if len(counts) == 0 {
		counts = inAll
	}
	var main TensorType
	most := uint64(0)
	for t, n := range counts {
		if n > most || (n == most && t < main) {
			main, most = t, n
		}
	}
	return main, most > 0
}
