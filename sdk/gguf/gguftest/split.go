package gguftest

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/corral-fleet/corral/sdk/gguf"
)

// Split splits a GGUF into several, by the names that they have, as llama.cpp's
// gguf-split does: all of the metadata is in the first file, and each has a run of the
// tensors. What was split is the same again when its files are put together.
func Split(whole []byte, name string, count int) map[string][]byte {
	h := read(whole)
	files := map[string][]byte{}
	perFile := (len(h.Tensors) + count - 1) / count
	for i := range count {
		from, to := min(len(h.Tensors), i*perFile), min(len(h.Tensors), (i+1)*perFile)
		files[fmt.Sprintf("%s-%05d-of-%05d.gguf", name, i+1, count)] = shard(whole, h, h.Tensors[from:to], i, count)
	}
	return files
}

func read(b []byte) *gguf.Header {
	h, err := gguf.Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		panic(fmt.Sprintf("gguftest: %v", err))
	}
	return h
}

func shard(whole []byte, h *gguf.Header, tensors []gguf.Tensor, number, count int) []byte {
	own := New("").Set("split.no", uint16(number)).Set("split.count", uint16(count)).Set("split.tensors.count", int32(len(h.Tensors))).Bytes()
	ownHeader := read(own)
	keys := own[ownHeader.KeysOffsetBytes:ownHeader.KeysEndBytes]
	n := len(ownHeader.Metadata)
	if number == 0 {
		keys = append(bytes.Clone(whole[h.KeysOffsetBytes:h.KeysEndBytes]), keys...)
		n += len(h.Metadata)
	}
	out := binary.LittleEndian.AppendUint32([]byte("GGUF"), h.Version)
	out = binary.LittleEndian.AppendUint64(out, uint64(len(tensors)))
	out = append(binary.LittleEndian.AppendUint64(out, uint64(n)), keys...)
	var data []byte
	pad := func(b []byte) []byte { return append(b, make([]byte, -len(b)&int(h.AlignmentBytes-1))...) }
	for _, tensor := range tensors {
		out = AppendTensor(out, tensor.Name, tensor.Type, uint64(len(data)), tensor.Shape...)
		at := h.DataOffsetBytes + tensor.OffsetBytes
		data = pad(append(data, whole[at:at+tensor.SizeBytes]...))
	}
	if len(tensors) == 0 {
		return out
	}
	return append(pad(out), data...)
}
