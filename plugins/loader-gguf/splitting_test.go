package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/corral-fleet/corral/sdk/gguf"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
)

// split splits a GGUF as llama.cpp's gguf-split does: all of the metadata is in the first
// file, and each has a run of the tensors.
func split(t *testing.T, whole []byte, name string, count int) map[string][]byte {
	t.Helper()
	h, err := gguf.Read(bytes.NewReader(whole), int64(len(whole)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	perFile := (len(h.Tensors) + count - 1) / count
	for i := range count {
		from, to := min(len(h.Tensors), i*perFile), min(len(h.Tensors), (i+1)*perFile)
		files[fmt.Sprintf("%s-%05d-of-%05d.gguf", name, i+1, count)] = shard(whole, h, h.Tensors[from:to], i, count)
	}
	return files
}

func shard(whole []byte, h *gguf.Header, tensors []gguf.Tensor, number, count int) []byte {
	own := gguftest.New("").Set("split.no", uint16(number)).Set("split.count", uint16(count)).Set("split.tensors.count", int32(len(h.Tensors))).Bytes()
	ownHeader, err := gguf.Read(bytes.NewReader(own), int64(len(own)))
	if err != nil {
		panic(err)
	}
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
		out = gguftest.AppendTensor(out, tensor.Name, tensor.Type, uint64(len(data)), tensor.Shape...)
		at := h.DataOffsetBytes + tensor.OffsetBytes
		data = pad(append(data, whole[at:at+tensor.SizeBytes]...))
	}
	if len(tensors) == 0 {
		return out
	}
	return append(pad(out), data...)
}
