package gguf_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
)

// FuzzRead has whatever it makes up be read, described and estimated: nothing may panic
// or be taken beyond the file, and every refusal is a sentence about the file.
func FuzzRead(f *testing.F) {
	for _, bad := range gguftest.Hostile() {
		if len(bad.Bytes) < 4096 {
			f.Add(bad.Bytes)
		}
	}
	for _, good := range gguftest.Models() {
		// The weights don't matter: this is about what precedes them.
		f.Add(good.WithoutTensors().Header())
	}
	f.Add(gguftest.New("gemma3").
		Set("gemma3.block_count", uint32(2)).
		Set("gemma3.attention.head_count", []uint32{1, 2}).
		Set("gemma3.attention.sliding_window", uint32(8)).
		Set("gemma3.attention.sliding_window_pattern", []bool{true, false}).
		Tensor("blk.0.attn_q.weight", gguf.F16, 8, 2).
		Tensor("v.patch", gguf.F32).
		Bytes())
	f.Fuzz(func(t *testing.T, file []byte) {
		h, err := gguf.Read(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			if fault.KindOf(err) != fault.Invalid || fault.MessageOf(err) == "" {
				t.Fatalf("refused with %v: %v", fault.KindOf(err), err)
			}
			return
		}
		for _, tensor := range h.Tensors {
			if tensor.OffsetBytes < 0 || h.DataOffsetBytes+tensor.OffsetBytes+tensor.SizeBytes > int64(len(file)) {
				t.Fatalf("%+v goes beyond the %d bytes of the file", tensor, len(file))
			}
		}
		info := gguf.Describe(h)
		if _, err := json.Marshal(info); err != nil {
			t.Fatalf("what is told can't be sent: %v", err)
		}
		if err := gguf.Check(h); err != nil && fault.KindOf(err) != fault.Invalid {
			t.Fatalf("checked with %v: %v", fault.KindOf(err), err)
		}
		o := gguf.Options{ContextTokens: 4096, GPUs: []gguf.GPU{{FreeBytes: 1 << 30}}}
		e, err := gguf.EstimateMemory(h, o)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("no estimate, with %v: %v", fault.KindOf(err), err)
			}
			return
		}
		if len(h.Tensors) > 0 {
			again, err := gguf.ReadCondensed(h.Condense())
			if err != nil {
				t.Fatalf("condensed it isn't read any more: %v", err)
			}
			if condensed, err := gguf.EstimateMemory(again, o); err != nil || condensed.TotalBytes != e.TotalBytes {
				t.Fatalf("condensed it is estimated as %+v and %v, before as %+v", condensed, err, e)
			}
		}
		if e.GPUBytes > 1<<30 || e.TotalBytes < e.CacheBytes || e.Reason == "" {
			t.Fatalf("an estimate of %+v", e)
		}
	})
}
