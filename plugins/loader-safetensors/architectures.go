package main

import "github.com/corral-fleet/corral/sdk/loader"

// unknown is the first version of Ollama of which it isn't known what it converts: that
// is for it to say.
const unknown = "0.17.5"

// converts reports whether a version of Ollama may convert an architecture, "" being one
// that nobody knows. Versions before 0.17.4 convert fewer, and say so themselves.
func converts(ollama, architecture string) bool {
	if !loader.Before(ollama, unknown) {
		return true
	}
	switch architecture {
	case "LlamaForCausalLM", "MllamaForConditionalGeneration", "Llama4ForConditionalGeneration",
		"Mistral3ForConditionalGeneration", "Ministral3ForCausalLM", "MixtralForCausalLM",
		"GemmaForCausalLM", "Gemma2ForCausalLM", "Gemma3ForCausalLM", "Gemma3ForConditionalGeneration", "Gemma3nForConditionalGeneration",
		"Phi3ForCausalLM", "Qwen2ForCausalLM", "Qwen2_5_VLForConditionalGeneration",
		"Qwen3VLForConditionalGeneration", "Qwen3VLMoeForConditionalGeneration",
		"Qwen3NextForCausalLM", "Qwen3_5ForConditionalGeneration", "Qwen3_5MoeForConditionalGeneration",
		"Olmo3ForCausalLM", "BertModel", "NomicBertModel", "NomicBertMoEModel", "CohereForCausalLM", "GptOssForCausalLM",
		"DeepseekOCRForCausalLM", "DeepseekV3ForCausalLM", "Glm4MoeLiteForCausalLM", "GlmOcrForConditionalGeneration",
		"Lfm2ForCausalLM", "Lfm2MoeForCausalLM", "Lfm2VlForConditionalGeneration", "NemotronHForCausalLM":
		return true
	}
	return false
}
