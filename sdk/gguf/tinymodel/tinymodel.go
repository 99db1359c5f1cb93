// Package tinymodel writes small language models that a real engine runs and
// whose answer is known beforehand, for tests and demonstrations.
//
// A model is a GGUF file of version 3 with weights that were set, not trained.
// They make it a chain: whatever was said in a chat, the first piece of the reply
// follows it, each piece is followed by the next, and the last one by the end
// of the reply, or by the first one again. Attention and feed-forward weights
// are small noise, so an engine does all of its work and cannot change the
// outcome: the reply is the same at every temperature and seed and at every
// quantization.
//
// The same options give the same bytes, on every machine. The functions may be
// called by several goroutines at once.
package tinymodel

import (
	"fmt"
	"io"
)

// chatTemplate is the ChatML template, which engines know by its text. It ends
// every prompt with lastOfPrompt.
const chatTemplate = `{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`

// lastOfPrompt is the token that ends every prompt. It must not be a piece of a
// reply, or the model would go on from there instead of beginning.
const lastOfPrompt = "\n"

// Write writes the model that o describes to w. It fails without having written
// anything when o is impossible, and otherwise when w does.
func Write(w io.Writer, o Options) error {
	o, err := o.withDefaults()
	if err != nil {
		return fmt.Errorf("tinymodel: %w", err)
	}
	f, err := o.file()
	if err != nil {
		return fmt.Errorf("tinymodel: %w", err)
	}
	if err := f.write(w); err != nil {
		return fmt.Errorf("tinymodel: write: %w", err)
	}
	return nil
}

// Pieces returns the parts in which an engine streams the reply of the model
// that o describes, one token each. A reply that ends is counted by engines as
// one token more, the one that ends it.
func Pieces(o Options) ([]string, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("tinymodel: %w", err)
	}
	return pieces(o.Reply), nil
}

// file puts the model together. The options must be complete and possible.
func (o Options) file() (*file, error) {
	v, c := o.chain()
	f := newFile(o.Omit)
	o.describe(f)
	v.describe(f, o.Architecture)
	f.string("tokenizer.chat_template", chatTemplate)
	for _, t := range o.tensors(len(v.texts), c) {
		f.tensor(t)
	}
	return f, f.unmatched()
}

// chain returns the vocabulary of the model, and the order of its reply.
func (o Options) chain() (*vocabulary, chain) {
	v := newVocabulary()
	c := chain{loop: o.Loop, end: v.ids[endOfTurn]}
	for _, p := range pieces(o.Reply) {
		c.tokens = append(c.tokens, v.add(p))
	}
	return v, c
}

// describe sets the metadata that says what the model is and how large.
// Engines ignore a count that is not a uint32.
func (o Options) describe(f *file) {
	const halfPrecision = 1 // general.file_type; quantizing insists on it
	f.string("general.architecture", string(o.Architecture))
	f.string("general.type", "model")
	f.string("general.name", o.Name)
	f.uint32("general.file_type", halfPrecision)
	f.uint32("general.quantization_version", 2)
	for _, kv := range []struct {
		key   string
		value int
	}{
		{"context_length", o.ContextLength},
		{"embedding_length", o.Dim},
		{"block_count", o.Layers},
		{"feed_forward_length", o.FeedForward},
		{"attention.head_count", o.Heads},
		{"attention.head_count_kv", o.KVHeads},
		{"attention.key_length", o.headDim()},
		{"attention.value_length", o.headDim()},
		{"rope.dimension_count", o.headDim()},
	} {
		f.uint32(string(o.Architecture)+"."+kv.key, uint32(kv.value))
	}
	f.float32(string(o.Architecture)+".attention.layer_norm_rms_epsilon", 1e-5)
	f.float32(string(o.Architecture)+".rope.freq_base", 10000)
}
