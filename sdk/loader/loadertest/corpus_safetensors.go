package loadertest

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// tensors is a safetensors file: the length of a header, the header, and its data.
func tensors(header string, dataBytes int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, dataBytes)...)
}

// two is a sound one.
func two() []byte {
	return tensors(`{"__metadata__":{"format":"pt"},"model.embed_tokens.weight":{"dtype":"BF16","shape":[4,8],"data_offsets":[0,64]},`+
		`"model.layers.0.self_attn.q_proj.weight":{"dtype":"F32","shape":[8],"data_offsets":[64,96]}}`, 96)
}

const llamaConfig = `{"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,` +
	`"num_key_value_heads":1,"intermediate_size":16,"vocab_size":4,"max_position_embeddings":2048,"torch_dtype":"bfloat16"}`

// folder is a model as of Hugging Face, with a file that is another or, being nil, not there.
func modelFolder(change ...any) of {
	files := of{
		"model.safetensors": two(), "config.json": []byte(llamaConfig),
		"tokenizer.json":        []byte(`{"version":"1.0","model":{"type":"BPE","vocab":{"a":0},"merges":[]}}`),
		"tokenizer_config.json": []byte(`{"chat_template":"{{ messages }}"}`),
	}
	return changed(files, change...)
}

// changed puts files in, by name and content in turn; a content that is nil takes one out.
func changed(files of, change ...any) of {
	for i := 0; i < len(change); i += 2 {
		name := change[i].(string)
		switch content := change[i+1].(type) {
		case nil:
			delete(files, name)
		case string:
			files[name] = []byte(content)
		case []byte:
			files[name] = content
		}
	}
	return files
}

func safetensorsSamples() []Sample {
	index := `{"metadata":{"total_size":192},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}`
	shard := func(tensor string) []byte {
		return tensors(fmt.Sprintf(`{%q:{"dtype":"F16","shape":[16],"data_offsets":[0,32]}}`, tensor), 32)
	}
	split := func(change ...any) of {
		files := modelFolder("model.safetensors", nil, "model.safetensors.index.json", index,
			"model-00001-of-00002.safetensors", shard("a"), "model-00002-of-00002.safetensors", shard("b"))
		return changed(files, change...)
	}
	hostile := func(name string, file []byte) Sample {
		return bad(Safetensors, "safetensors with "+name, modelFolder("model.safetensors", file))
	}
	return []Sample{
		good(Safetensors, "a folder of Hugging Face", modelFolder()),
		good(Safetensors, "a folder of Hugging Face with what people have beside it", modelFolder("README.md", "# M", ".gitattributes", "*.safetensors filter=lfs", "generation_config.json", "{}")),
		good(Safetensors, "a folder of Hugging Face in two files", split()),
		hostile("nothing in it", []byte{}),
		hostile("a length alone", []byte{1, 0, 0, 0, 0, 0, 0, 0}),
		hostile("a header beyond its end", append(binary.LittleEndian.AppendUint64(nil, 1<<40), "{}"...)),
		hostile("a header of a negative length", append(binary.LittleEndian.AppendUint64(nil, 1<<63), "{}"...)),
		hostile("a header that is no JSON", tensors(`{"a":`, 16)),
		hostile("a header that is a list", tensors(`[1,2,3]`, 16)),
		hostile("a tensor beyond its end", tensors(`{"a":{"dtype":"F32","shape":[100],"data_offsets":[0,400]}}`, 16)),
		hostile("a tensor that ends before it begins", tensors(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}}`, 16)),
		hostile("a tensor at a negative place", tensors(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}`, 16)),
		hostile("a tensor whose shape is another", tensors(`{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,4]}}`, 16)),
		hostile("a shape that overflows", tensors(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}`, 16)),
		hostile("a type that there is not", tensors(`{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}`, 16)),
		hostile("two tensors in one place", tensors(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}`, 12)),
		hostile("no tensors", tensors(`{}`, 0)),
		hostile("a header that is deep", tensors(strings.Repeat(`{"a":`, 20_000)+"1"+strings.Repeat("}", 20_000), 0)),
		bad(Safetensors, "a folder of Hugging Face without a file of two", split("model-00002-of-00002.safetensors", nil), "model-00002-of-00002.safetensors"),
		bad(Safetensors, "a folder of Hugging Face without config.json", modelFolder("config.json", nil), "config.json"),
		bad(Safetensors, "a folder of Hugging Face with a config.json that is none", modelFolder("config.json", "<html>")),
		bad(Safetensors, "a folder of Hugging Face of no architecture", modelFolder("config.json", "{}")),
		bad(Safetensors, "a folder of Hugging Face whose index leads out of it", split("model.safetensors.index.json", `{"weight_map":{"a":"../../etc/passwd"}}`)),
	}
}

func loraSamples() []Sample {
	config := `{"peft_type":"LORA","base_model_name_or_path":"meta-llama/Llama-3.2-1B","r":8,"lora_alpha":16,"target_modules":["q_proj"]}`
	weights := tensors(`{"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight":{"dtype":"F32","shape":[8,8],"data_offsets":[0,256]},`+
		`"base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight":{"dtype":"F32","shape":[8,8],"data_offsets":[256,512]}}`, 512)
	folder := func(change ...any) of {
		return changed(of{"adapter_config.json": []byte(config), "adapter_model.safetensors": weights}, change...)
	}
	return []Sample{
		good(LoRA, "an adapter of PEFT", folder("README.md", "# A")),
		bad(LoRA, "an adapter of PEFT without weights", folder("adapter_model.safetensors", nil), "adapter_model.safetensors"),
		bad(LoRA, "an adapter of PEFT whose settings are none", folder("adapter_config.json", "{")),
		bad(LoRA, "an adapter of PEFT that is no LoRA", folder("adapter_config.json", `{"peft_type":"PREFIX_TUNING","base_model_name_or_path":"a"}`)),
		bad(LoRA, "an adapter of PEFT whose weights are cut off", folder("adapter_model.safetensors", weights[:40])),
	}
}

func modelfileSamples() []Sample {
	gguf := llama().Bytes()
	return []Sample{
		good(Modelfile, "a Modelfile with its model", of{"Modelfile": []byte("# mine\nFROM ./model.gguf\nPARAMETER temperature 0.5\nSYSTEM \"\"\"Be brief.\"\"\"\n"), "model.gguf": gguf}),
		good(Modelfile, "a Modelfile of a model that has a name", of{"Modelfile": []byte("FROM llama3.2\nPARAMETER stop \"###\"\n")}),
		bad(Modelfile, "a Modelfile whose model is missing", of{"Modelfile": []byte("FROM ./model.gguf\n")}, "model.gguf"),
		bad(Modelfile, "a Modelfile that leads out of its folder", of{"Modelfile": []byte("FROM ../../etc/passwd\n")}),
		bad(Modelfile, "a Modelfile of a file of the host", of{"Modelfile": []byte("FROM /etc/passwd\n")}),
		bad(Modelfile, "a Modelfile without a model", of{"Modelfile": []byte("SYSTEM hello\n")}),
		bad(Modelfile, "a Modelfile with an instruction that there is not", of{"Modelfile": []byte("FROM a\nRUN rm -rf /\n")}),
		bad(Modelfile, "a Modelfile with an end that is missing", of{"Modelfile": []byte("FROM a\nSYSTEM \"\"\"hello\n")}),
	}
}
