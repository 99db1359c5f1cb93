package models

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/corral-fleet/corral/agent/internal/realollama"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// adapter returns a LoRA in a GGUF that changes nothing of a tiny model.
func adapter() []byte {
	const dim, rank = 256, 4
	var b bytes.Buffer
	put := func(values ...any) {
		for _, v := range values {
			if s, ok := v.(string); ok {
				put64 := binary.LittleEndian.AppendUint64(nil, uint64(len(s)))
				b.Write(put64)
				b.WriteString(s)
				continue
			}
			_ = binary.Write(&b, binary.LittleEndian, v) // a buffer takes everything
		}
	}
	const uint32Type, float32Type, stringType = uint32(4), uint32(6), uint32(8)
	b.WriteString("GGUF")
	put(uint32(3), uint64(2), uint64(5))
	put("general.architecture", stringType, "llama", "general.type", stringType, "adapter", "adapter.type", stringType, "lora")
	put("adapter.lora.alpha", float32Type, math.Float32bits(8), "general.file_type", uint32Type, uint32(0))
	put("blk.0.attn_q.weight.lora_a", uint32(2), uint64(dim), uint64(rank), uint32(0), uint64(0))
	put("blk.0.attn_q.weight.lora_b", uint32(2), uint64(rank), uint64(dim), uint32(0), uint64(4*dim*rank))
	b.Write(make([]byte, -b.Len()&31))
	b.Write(make([]byte, 2*4*dim*rank))
	return b.Bytes()
}

func TestAnAdapterOnAModel(t *testing.T) {
	t.Parallel()
	s := realollama.Serve(t, realollama.Bin(t))
	file, lora := tiny(t, tinymodel.Options{}), adapter()
	o := newOrigin(t, map[string][]byte{"m": file, "lora": lora})
	e := executor(t, s)
	if _, err := e.Run(t.Context(), plain("tiny", file, o.URL+"/m")); err != nil {
		t.Fatal(err)
	}
	size := int64(len(lora))
	job := &work.Job{
		Kind: work.Load, Model: "tuned",
		Recipe: &loader.Recipe{From: "tiny", Layers: []loader.Layer{
			{Role: loader.RoleAdapter, Parts: []loader.Part{{File: "lora.gguf", LengthBytes: size}}, SizeBytes: size, SHA256: shaOf(lora)},
		}},
		Sources: map[string]work.Source{"lora.gguf": {SizeBytes: size, URLs: []string{o.URL + "/lora"}}},
	}
	got, err := e.Run(t.Context(), job)
	if err != nil || got.Path != wayCreate {
		t.Fatalf("it came as %+v, %v", got, err)
	}
	if !slices.Contains(s.Blobs(), "sha256-"+shaOf(lora)) || got.SizeBytes <= int64(len(file)) {
		t.Errorf("it is %+v, and the blobs are %v", got, s.Blobs())
	}
	if said := ask(t, s, "tuned"); said != tinymodel.DefaultReply {
		t.Errorf("it says %q", said)
	}
}
