package gguftest

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/corral-fleet/corral/sdk/gguf"
)

// Bad is a file that has to be refused.
type Bad struct {
	Name  string // what is wrong, in words that suit a test
	Bytes []byte
	Says  string // a part of the sentence that a user gets
}

// raw is a header that may lie.
type raw []byte

// start is a header that announces so many tensors and keys.
func start(version uint32, tensors, keys uint64) raw {
	return raw("GGUF").u32(version).u64(tensors).u64(keys)
}

func (r raw) u32(n uint32) raw          { return binary.LittleEndian.AppendUint32(r, n) }
func (r raw) u64(n uint64) raw          { return binary.LittleEndian.AppendUint64(r, n) }
func (r raw) str(s string) raw          { return AppendString(r, s) }
func (r raw) kind(t uint32) raw         { return r.u32(t) }
func (r raw) pad(n int) raw             { return append(r, make([]byte, n)...) }
func (r raw) set(key string, v any) raw { return appendValue(r.str(key), v) }

func (r raw) tensor(name string, t gguf.TensorType, offset uint64, shape ...uint64) raw {
	return AppendTensor(r, name, t, offset, shape...)
}

// Hostile returns files that have to be refused. Those of some forty bytes have brought
// down programs that run models.
func Hostile() []Bad {
	var all []Bad
	all = append(all, hostileStarts()...)
	all = append(all, hostileKeys()...)
	all = append(all, hostileAlignments()...)
	all = append(all, hostileTensors()...)
	return append(all, hostilePlaces()...)
}

func hostileStarts() []Bad {
	return []Bad{
		{"nothing", nil, "shortest has 24"},
		{"magic alone", raw("GGUF"), "shortest has 24"},
		{"a zip archive", raw("PK\x03\x04").pad(60), "begins with"},
		{"a pickle", raw("\x80\x02}q\x00").pad(60), "begins with"},
		{"the format before", raw("tjgg").pad(60), "before GGUF"},
		{"version 0", start(0, 0, 0), "version 0"},
		{"version 1 with an empty string", raw("GGUF").u32(1).u32(0).u32(1).u32(0).u32(8).pad(8), "version 1"},
		{"version 4", start(4, 0, 0), "version 4"},
		{"big endian", raw("GGUF\x00\x00\x00\x03").pad(24), "big-endian"},
		{"more tensors than bytes", start(3, 1000, 0), "1000 tensors"},
		{"more keys than bytes", start(3, 0, 1000), "1000 keys"},
		{"a negative number of keys", start(3, 0, math.MaxUint64), "keys; at most"},
		{"a negative number of tensors", start(3, math.MaxUint64, 0), "tensors; at most"},
		{"200,001 tensors", start(3, 200_001, 0), "at most 200000"},
		{"10,001 keys", start(3, 0, 10_001), "at most 10000"},
		{"nothing behind the counts", start(3, 0, 1), "too few"},
	}
}

func hostileKeys() []Bad {
	two := start(3, 0, 2).set("a", uint8(1)).set("a", uint8(1)).pad(64)
	return []Bad{
		// 36 bytes; ollama/ollama#17032
		{"a string of 4 EiB", start(3, 0, 1).u64(1 << 62).pad(4).pad(16), "beyond the end"},
		{"a string of a negative length", start(3, 0, 1).u64(math.MaxUint64).pad(16), "beyond the end"},
		// 49 bytes; ollama/ollama#16136
		{"an array of a negative length", start(3, 0, 1).str("a").kind(9).kind(4).u64(math.MaxUint64), "at most"},
		{"an array of a thousand million", start(3, 0, 1).str("a").kind(9).kind(4).u64(1 << 30), "at most"},
		{"an array that the file can't hold", start(3, 0, 1).str("a").kind(9).kind(4).u64(1 << 20).pad(64), "too few"},
		{"an array of strings that the file can't hold", start(3, 0, 1).str("a").kind(9).kind(8).u64(100).pad(64), "too few"},
		{"an array of arrays", start(3, 0, 1).str("a").kind(9).kind(9).u64(1).kind(9).u64(1).pad(32), "array of arrays"},
		{"an array of what doesn't exist", start(3, 0, 1).str("a").kind(9).kind(13).u64(1).pad(32), "type 13"},
		{"a string in an array beyond the end", start(3, 0, 1).str("a").kind(9).kind(8).u64(2).str("x").u64(1 << 40).pad(8), "beyond the end"},
		{"a token beyond the end", start(3, 0, 1).str("tokenizer.ggml.tokens").kind(9).kind(8).u64(2).str("x").u64(1 << 40).pad(8), "beyond the end"},
		{"a value of no type", start(3, 0, 1).str("a").kind(99).pad(32), "type 99"},
		{"a string of 2 MiB", start(3, 0, 1).str("a").kind(8).u64(2 << 20).pad(2 << 20), "at most 1048576"},
		{"a key of 70,000 bytes", start(3, 0, 1).str(string(make([]byte, 70_000))).pad(64), "at most 65535"},
		{"an empty key", start(3, 0, 1).str("").kind(0).pad(32), "empty name"},
		{"a key that isn't text", start(3, 0, 1).str("a\xff\xfe").kind(0).pad(32), "isn't text"},
		{"a key that moves a terminal's cursor", start(3, 0, 1).str("a\x1b[2J").kind(0).pad(32), "isn't text"},
		{"a key twice", two, "second time"},
		{"a boolean of 2", append(start(3, 0, 1).str("a").kind(7), 2), "0 or 1"},
		{"a value cut off", start(3, 0, 1).str("abcdefgh").kind(10).pad(3), "beyond the end"},
		{"the last of the keys missing", start(3, 0, 2).set("a", uint64(1)).str("abcdef"), "beyond the end"},
	}
}

func hostileAlignments() []Bad {
	var all []Bad
	for _, v := range []any{uint32(0), uint32(3), uint32(2 << 20), uint32(math.MaxUint32), uint64(32), int32(-32), "32", []uint32{32}} {
		all = append(all, Bad{
			fmt.Sprintf("an alignment of %T %v", v, v),
			start(3, 1, 1).set("general.alignment", v).tensor("a", gguf.F32, 0, 1).pad(64),
			"the alignment is",
		})
	}
	return all
}

func hostileTensors() []Bad {
	one := start(3, 1, 0)
	return []Bad{
		// 65 bytes; ggml-org/llama.cpp#25596
		{"a dimension of 0", one.tensor("t", gguf.F32, 0, 1, 0).pad(64), "impossible dimensions"},
		{"five dimensions", one.tensor("t", gguf.F32, 0, 1, 1, 1, 1, 1).pad(64), "5 dimensions"},
		{"four thousand million dimensions", one.str("t").u32(math.MaxUint32).pad(64), "dimensions; at most"},
		{"dimensions whose product overflows", one.tensor("t", gguf.F32, 0, 1<<32, 1<<32).pad(64), "impossible dimensions"},
		{"dimensions whose product wraps to 1", one.tensor("t", gguf.F32, 0, 1<<63, 2, 1, 1).pad(64), "impossible dimensions"},
		{"a negative dimension", one.tensor("t", gguf.F32, 0, math.MaxUint64).pad(64), "impossible dimensions"},
		{"dimensions whose bytes overflow", one.tensor("t", gguf.F64, 0, math.MaxInt64).pad(64), "longer than the file"},
		{"a tensor longer than the file", one.tensor("t", gguf.F32, 0, 1<<20).pad(64), "longer than the file"},
		{"rows that aren't blocks", one.tensor("t", gguf.Q4K, 0, 100).pad(256), "blocks of the 256"},
		{"a type that was given up", one.tensor("t", 4, 0, 1).pad(64), "type 4"},
		{"a type from the future", one.tensor("t", 999, 0, 1).pad(64), "type 999"},
		{"a tensor twice", start(3, 2, 0).tensor("t", gguf.F32, 0, 1).tensor("t", gguf.F32, 32, 1).pad(128), "second time"},
		{"a tensor without a name", one.tensor("", gguf.F32, 0, 1).pad(64), "empty name"},
		{"a tensor with a name of 65 bytes", one.tensor(string(make([]byte, 65)), gguf.F32, 0, 1).pad(64), "at most 64"},
		{"a tensor with a line break in its name", one.tensor("a\nb", gguf.F32, 0, 1).pad(64), "isn't text"},
		{"the second tensor missing", start(3, 2, 0).tensor("a tensor with a long name", gguf.F32, 0, 1, 1), "beyond the end"},
	}
}

func hostilePlaces() []Bad {
	one := start(3, 1, 0)
	return []Bad{
		{"a tensor at a negative offset", one.tensor("t", gguf.F32, math.MaxUint64-31, 1).pad(64), "beyond the end"},
		{"a tensor at an offset that overflows", one.tensor("t", gguf.F32, math.MaxInt64-31, 1).pad(64), "bytes for weights"},
		{"a tensor beyond the end", one.tensor("t", gguf.F32, 1024, 1).pad(64), "bytes for weights"},
		{"a tensor that the end cuts off", one.tensor("t", gguf.F32, 0, 17).pad(64), "bytes for weights"},
		{"a header without room for weights", one.tensor("t", gguf.F32, 0, 1), "bytes for weights"},
		{"a tensor between two alignments", one.tensor("t", gguf.F32, 4, 1).pad(64), "multiple of the alignment"},
		{
			"two tensors in one place", start(3, 2, 0).tensor("a", gguf.F32, 0, 8).tensor("b", gguf.F32, 0, 8).pad(256), "overlaps",
		},
		{
			"a tensor within another", start(3, 2, 0).tensor("a", gguf.F32, 32, 8).tensor("b", gguf.F32, 0, 16).pad(256), "overlaps",
		},
	}
}
