package tinymodel

import (
	"fmt"
	"math"
)

// A tensor is a vector or a matrix whose rows are made when they are written,
// so that a large model takes no memory.
type tensor struct {
	name string
	cols int
	rows int                          // 0 for a vector, which is never stored in half precision
	fill func(row int, dst []float32) // dst has cols elements, all zero
}

// A chain is the order of a reply's tokens, each of which occurs once.
//
// It lives in the embeddings and the output matrix. A token of the chain has
// an embedding with one dimension of its own, and the output row of the token
// after it looks at that dimension. All other tokens share dimension 0, which
// the first token's output row looks at; the upper half of their dimensions
// differs from token to token, so that their embeddings do.
type chain struct {
	tokens []int
	end    int // the token that ends a reply
	loop   bool
}

// winning is the logit of the token that the chain makes the next one. The
// others have logits around zero. After a token outside the chain, half of
// whose embedding is its signature, the first token has winning/√2.
const winning = 30

// dimension returns the dimension that carries a token.
func (c chain) dimension(token int) int {
	for i, t := range c.tokens {
		if t == token {
			return 1 + i
		}
	}
	return 0
}

// embedding returns the embedding matrix, whose rows have a mean square of 1,
// so that the first normalisation leaves them as they are.
func (c chain) embedding(vocabulary, dim int, signs noise) tensor {
	length := math.Sqrt(float64(dim))
	return tensor{"token_embd.weight", dim, vocabulary, func(token int, dst []float32) {
		if d := c.dimension(token); d > 0 {
			dst[d] = float32(length)
			return
		}
		dst[0] = float32(length / math.Sqrt2)
		for i := dim / 2; i < dim; i++ {
			dst[i] = signs.sign(token, i)
		}
	}}
}

// weight is what an output row has where it looks at.
func (chain) weight(dim int) float32 { return float32(winning / math.Sqrt(float64(dim))) }

// output returns the output matrix.
func (c chain) output(vocabulary, dim int) tensor {
	weight := c.weight(dim)
	after := func(i int) int { // the token after dimension i
		switch {
		case i < len(c.tokens):
			return c.tokens[i]
		case c.loop:
			return c.tokens[0]
		}
		return c.end
	}
	return tensor{"output.weight", dim, vocabulary, func(token int, dst []float32) {
		for d := range len(c.tokens) + 1 {
			if after(d) == token {
				dst[d] = weight
			}
		}
	}}
}

// tensors returns the model's tensors in the order of the file.
func (o Options) tensors(vocabulary int, c chain) []tensor {
	all := []tensor{
		c.embedding(vocabulary, o.Dim, newNoise(o.Seed, "signature")),
		ones("output_norm.weight", o.Dim),
		c.output(vocabulary, o.Dim),
	}
	for layer := range o.Layers {
		all = append(all, o.block(fmt.Sprintf("blk.%d.", layer))...)
	}
	return all
}

// block returns the tensors of one block.
func (o Options) block(prefix string) []tensor {
	kv := o.headDim() * o.KVHeads
	// What a block adds to its input shrinks with the width of a matrix and the
	// number of blocks, so that all together stay far below the chain's signal.
	matrix := func(name string, rows, cols int) tensor {
		n := newNoise(o.Seed, prefix+name)
		deviation := 0.45 / math.Sqrt(float64(cols)*float64(o.Layers))
		return tensor{prefix + name, cols, rows, func(row int, dst []float32) {
			for i := range dst {
				dst[i] = n.value(row, i, deviation)
			}
		}}
	}
	all := []tensor{
		ones(prefix+"attn_norm.weight", o.Dim),
		matrix("attn_q.weight", o.Dim, o.Dim),
		matrix("attn_k.weight", kv, o.Dim),
		matrix("attn_v.weight", kv, o.Dim),
		matrix("attn_output.weight", o.Dim, o.Dim),
		ones(prefix+"ffn_norm.weight", o.Dim),
		matrix("ffn_gate.weight", o.FeedForward, o.Dim),
		matrix("ffn_up.weight", o.FeedForward, o.Dim),
		matrix("ffn_down.weight", o.Dim, o.FeedForward),
	}
	switch o.Architecture {
	case Qwen2:
		all = append(all,
			zeros(prefix+"attn_q.bias", o.Dim),
			zeros(prefix+"attn_k.bias", kv),
			zeros(prefix+"attn_v.bias", kv))
	case Qwen3:
		all = append(all,
			ones(prefix+"attn_q_norm.weight", o.headDim()),
			ones(prefix+"attn_k_norm.weight", o.headDim()))
	}
	return all
}

func zeros(name string, cols int) tensor {
	return tensor{name, cols, 0, func(int, []float32) {}}
}

func ones(name string, cols int) tensor {
	return tensor{name, cols, 0, func(_ int, dst []float32) {
		for i := range dst {
			dst[i] = 1
		}
	}}
}
