package loadertest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/corral-fleet/corral/sdk/gguf"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
)

// chatML is a template of a chat that Ollama knows.
const chatML = `{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`

// small returns a GGUF of one layer, whose tensors are of a type.
func small(architecture string, t gguf.TensorType, fileType uint32) *gguftest.File {
	key := func(name string) string { return architecture + "." + name }
	return gguftest.New(architecture).
		Set("general.type", "model").Set("general.name", "Small "+architecture).Set("general.file_type", fileType).
		Set(key("block_count"), uint32(1)).Set(key("context_length"), uint32(2048)).Set(key("embedding_length"), uint32(256)).
		Set(key("attention.head_count"), uint32(4)).Set(key("attention.head_count_kv"), uint32(2)).
		Set("tokenizer.ggml.model", "gpt2").Set("tokenizer.ggml.tokens", []string{"a", "b"}).Set("tokenizer.chat_template", chatML).
		Tensor("token_embd.weight", t, 256, 8).Tensor("blk.0.attn_q.weight", t, 256, 16).Tensor("output_norm.weight", gguf.F32, 256)
}

func llama() *gguftest.File { return small("llama", gguf.F16, 1) }

func projector() *gguftest.File {
	return gguftest.New("clip").Set("general.type", "mmproj").Set("clip.has_vision_encoder", true).Set("clip.vision.block_count", uint32(1)).
		Tensor("v.patch_embd.weight", gguf.F16, 64, 10).Tensor("mm.0.weight", gguf.F16, 64, 256)
}

func lora() *gguftest.File {
	return gguftest.New("llama").Set("general.type", "adapter").Set("adapter.type", "lora").Set("adapter.lora.alpha", float32(16)).
		Tensor("blk.0.attn_q.weight.lora_a", gguf.F16, 256, 8).Tensor("blk.0.attn_q.weight.lora_b", gguf.F16, 8, 16)
}

// shardOf is a file of a model that was split, with a tensor of its own.
func shardOf(number, count, tensors int) []byte {
	f := gguftest.New("")
	if number == 0 {
		f = llama().Without("general.name")
		return f.Set("split.no", uint16(0)).Set("split.count", uint16(count)).Set("split.tensors.count", int32(tensors)).Bytes()
	}
	return f.Set("split.no", uint16(number)).Set("split.count", uint16(count)).Set("split.tensors.count", int32(tensors)).
		Tensor(fmt.Sprintf("blk.0.attn_k.%d.weight", number), gguf.F16, 256, 4).Bytes()
}

func shardName(number, count int) string { return fmt.Sprintf("m-%05d-of-%05d.gguf", number, count) }

// shards are the files of a model that was split.
func shards(count int) of {
	files := of{}
	for i := range count {
		files[shardName(i+1, count)] = shardOf(i, count, 3+count-1)
	}
	return files
}

func ggufSamples() []Sample {
	all := []Sample{
		good(GGUF, "a model", of{"model.gguf": llama().Bytes()}),
		good(GGUF, "a model of version 2", of{"model.gguf": llama().Version(2).Bytes()}),
		good(GGUF, "a model with a large alignment", of{"model.gguf": llama().Set("general.alignment", uint32(4096)).Bytes()}),
		good(GGUF, "a model without a template", of{"model.gguf": llama().Without("tokenizer.chat_template").Bytes()}),
		good(GGUF, "a model without a name", of{"model.gguf": llama().Without("general.name").Bytes()}),
		good(GGUF, "a model in a folder, with what people have beside it", of{"q/model.GGUF": llama().Bytes(), "README.md": []byte("# M"), "LICENSE": []byte("MIT")}),
		good(GGUF, "a model without an ending", of{"sha256-0": llama().Bytes()}),
		good(GGUF, "a model with heads that differ by layer", of{"model.gguf": llama().Set("llama.attention.head_count_kv", []uint32{2}).Bytes()}),
		good(GGUF, "a model of embeddings", of{"embed.gguf": small("bert", gguf.F16, 1).Set("bert.pooling_type", uint32(1)).Without("tokenizer.chat_template").Bytes()}),
		good(GGUF, "a model with a projector", of{"model.gguf": llama().Bytes(), "mmproj.gguf": projector().Bytes()}),
		good(GGUF, "a model with an adapter", of{"model.gguf": llama().Bytes(), "lora.gguf": lora().Bytes()}),
		good(GGUF, "a model with a draft", of{"model.gguf": llama().Bytes(), "model-draft.gguf": llama().Bytes()}),
		good(GGUF, "a projector", of{"mmproj.gguf": projector().Bytes()}),
		good(GGUF, "an adapter", of{"lora.gguf": lora().Bytes()}),
		good(GGUF, "a model that was split in two", shards(2)),
		good(GGUF, "a model that was split in twelve", shards(12)),
	}
	for name, t := range map[string]struct {
		tensors  gguf.TensorType
		fileType uint32
	}{
		"F32": {gguf.F32, 0}, "Q8_0": {gguf.Q8_0, 7}, "Q4_0": {gguf.Q4_0, 2}, "Q4_K_M": {gguf.Q4K, 15}, "Q5_K_M": {gguf.Q5K, 17},
		"Q6_K": {gguf.Q6K, 18}, "BF16": {gguf.BF16, 32}, "IQ4_XS": {gguf.IQ4XS, 30}, "a type that its header denies": {gguf.Q8_0, 15},
	} {
		all = append(all, good(GGUF, "a model of "+name, of{"model.gguf": small("qwen2", t.tensors, t.fileType).Bytes()}))
	}
	for name, f := range gguftest.Models() {
		all = append(all, Sample{Name: "the header of " + name, Format: GGUF, Files: sized{name + ".gguf", f.SizeBytes(), f.ReaderAt()}})
	}
	slices.SortFunc(all, func(a, b Sample) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	return all
}

// hostileGGUFs are those that have brought down programs, and parts that don't fit.
func hostileGGUFs() []Sample {
	var all []Sample
	for _, b := range gguftest.Hostile() {
		all = append(all, bad(GGUF, "a GGUF with "+b.Name, of{"model.gguf": b.Bytes}))
	}
	without, swapped, foreign := shards(3), shards(3), shards(3)
	delete(without, shardName(2, 3))
	swapped[shardName(1, 3)], swapped[shardName(2, 3)] = swapped[shardName(2, 3)], swapped[shardName(1, 3)]
	foreign[shardName(3, 3)] = shardOf(1, 2, 4)
	fewer := maps.Clone(shards(2))
	fewer[shardName(2, 2)] = gguftest.New("").Set("split.no", uint16(1)).Set("split.count", uint16(2)).Set("split.tensors.count", int32(4)).Bytes()
	whole := llama().Bytes()
	return append(all,
		bad(GGUF, "a part of a model is missing", without, shardName(2, 3)),
		bad(GGUF, "parts of a model are swapped", swapped),
		bad(GGUF, "a part is of another model", foreign),
		bad(GGUF, "a part has fewer tensors than it should", fewer),
		bad(GGUF, "a part is by itself, under another name", of{"model.gguf": shardOf(0, 2, 4)}),
		bad(GGUF, "two models", of{"a.gguf": whole, "b.gguf": whole}),
		bad(GGUF, "two projectors", of{"a.gguf": whole, "p1.gguf": projector().Bytes(), "p2.gguf": projector().Bytes()}),
		bad(GGUF, "a model whose end is missing", of{"model.gguf": whole[:len(whole)-100]}),
		bad(GGUF, "a model beside a file that is named like one", of{"model.gguf": whole, "other.gguf": []byte("<html>404</html>, and so on for a while")}),
		bad(GGUF, "an importance matrix", of{"imatrix.gguf": gguftest.New("").Set("general.type", "imatrix").Bytes()}),
		bad(GGUF, "a vocabulary", of{"vocab.gguf": gguftest.New("llama").Set("general.type", "vocab").Bytes()}),
	)
}
