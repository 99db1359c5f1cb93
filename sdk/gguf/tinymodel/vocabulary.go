package tinymodel

// The tokens that control the chat. They are never part of a reply.
const (
	endOfText   = "<|endoftext|>"
	startOfTurn = "<|im_start|>"
	endOfTurn   = "<|im_end|>"
)

func controls() []string { return []string{endOfText, startOfTurn, endOfTurn} }

// The kinds of token, as GGUF numbers them.
const (
	normalToken  int32 = 1
	controlToken int32 = 3
)

// A vocabulary is a byte-level BPE vocabulary in the making: three controls,
// the 256 bytes, and what is added, each text with the merges that lead to it.
type vocabulary struct {
	texts  []string
	kinds  []int32
	merges []string
	ids    map[string]int // by spelling
}

func newVocabulary() *vocabulary {
	v := &vocabulary{ids: map[string]int{}}
	for _, c := range controls() {
		v.token(c, controlToken)
	}
	for b := range 256 {
		v.token(string(spell(byte(b))), normalToken)
	}
	for _, role := range []string{"system", "user", "assistant", "tool"} {
		v.add(role)
	}
	return v
}

// token returns the id of the token with this spelling, new or not.
func (v *vocabulary) token(spelling string, kind int32) int {
	if id, ok := v.ids[spelling]; ok {
		return id
	}
	id := len(v.texts)
	v.ids[spelling] = id
	v.texts = append(v.texts, spelling)
	v.kinds = append(v.kinds, kind)
	return id
}

// add returns the id of the token for a text that is not empty. A new token
// comes with one for each shorter beginning of the text, because BPE builds a
// token out of two others at a time.
func (v *vocabulary) add(text string) int {
	left := string(spell(text[0]))
	for i := 1; i < len(text); i++ {
		right := string(spell(text[i]))
		if _, ok := v.ids[left+right]; !ok {
			v.merges = append(v.merges, left+" "+right)
		}
		left += right
		v.token(left, normalToken)
	}
	return v.ids[left]
}

// describe sets the tokenizer's metadata. Engines ignore an id that is not a
// uint32, and without the kinds they read controls in a prompt as plain text.
func (v *vocabulary) describe(f *file, a Architecture) {
	splitting := "default"
	if a != Llama {
		splitting = "qwen2" // qwen3 shares it
	}
	f.string("tokenizer.ggml.model", "gpt2")
	f.string("tokenizer.ggml.pre", splitting)
	f.strings("tokenizer.ggml.tokens", v.texts)
	f.int32s("tokenizer.ggml.token_type", v.kinds)
	f.strings("tokenizer.ggml.merges", v.merges)
	f.uint32("tokenizer.ggml.bos_token_id", uint32(v.ids[endOfText]))
	f.uint32("tokenizer.ggml.eos_token_id", uint32(v.ids[endOfTurn]))
	f.uint32("tokenizer.ggml.padding_token_id", uint32(v.ids[endOfText]))
	f.bool("tokenizer.ggml.add_bos_token", false)
	f.bool("tokenizer.ggml.add_eos_token", false)
}

// spell returns the printable character that stands for a byte in byte-level
// BPE: itself where it is printable in Latin-1, else the next free one from 256 on.
func spell(b byte) rune {
	switch {
	case b <= ' ':
		return 256 + rune(b)
	case b < 0x7f:
		return rune(b)
	case b <= 0xa0:
		return 256 + ' ' + 1 + rune(b-0x7f)
	case b == 0xad:
		return 256 + ' ' + 1 + (0xa0 - 0x7f) + 1
	}
	return rune(b)
}
