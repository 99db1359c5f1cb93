package gguf_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

func TestReadRefusesHostileFiles(t *testing.T) {
	for _, bad := range gguftest.Hostile() {
		t.Run(bad.Name, func(t *testing.T) {
			h, err := gguf.Read(bytes.NewReader(bad.Bytes), int64(len(bad.Bytes)))
			if err == nil {
				t.Fatalf("it was read as %+v", h)
			}
			if kind := fault.KindOf(err); kind != fault.Invalid {
				t.Errorf("the error is %v, want %v: %v", kind, fault.Invalid, err)
			}
			if said := fault.MessageOf(err); !strings.Contains(said, bad.Says) {
				t.Errorf("it says %q, without %q", said, bad.Says)
			}
		})
	}
}

// Every file that is cut off within its header is refused, and so is one whose weights are.
func TestReadRefusesEveryTruncation(t *testing.T) {
	whole := gguftest.New("llama").
		Set("a", []string{"x", "yz"}).
		Set("tokenizer.ggml.tokens", []string{"hello", "world"}).
		Set("tokenizer.ggml.scores", []float32{1, 2, 3}).
		Set("b", uint64(7)).
		Tensor("t", gguf.F32, 8).
		Tensor("u", gguf.Q8_0, 32, 2).
		Bytes()
	if _, err := gguf.Read(bytes.NewReader(whole), int64(len(whole))); err != nil {
		t.Fatalf("the whole file: %v", err)
	}
	for n := range whole {
		if _, err := gguf.Read(bytes.NewReader(whole[:n]), int64(n)); fault.KindOf(err) != fault.Invalid {
			t.Errorf("cut to %d of %d bytes: %v", n, len(whole), err)
		}
		// Another size was announced than there is.
		if _, err := gguf.Read(bytes.NewReader(whole[:n]), int64(len(whole))); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%d bytes announced as %d: %v", n, len(whole), err)
		}
	}
}

func TestReadKeepsEveryType(t *testing.T) {
	values := map[string]any{
		"u8": uint8(200), "i8": int8(-3), "u16": uint16(60000), "i16": int16(-300), "u32": uint32(1 << 31), "i32": int32(-70000),
		"u64": uint64(1 << 63), "i64": int64(-1 << 40), "f32": float32(0.5), "f64": 0.25, "no": false, "yes": true, "text": "grüße",
	}
	f := gguftest.New("")
	for key, v := range values {
		f.Set(key, v)
	}
	f.Set("list", []int32{1, -2}).Set("words", []string{"a", ""}).Set("flags", []bool{true, false}).Set("none", []uint32{})
	h := f.Read()
	for key, want := range values {
		if got, _ := h.Metadata.Get(key); got != want {
			t.Errorf("%s is %T %v, want %T %v", key, got, got, want, want)
		}
	}
	for key, want := range map[string]gguf.Array{
		"list":  {Type: gguf.TypeInt32, Len: 2, Values: []any{int32(1), int32(-2)}},
		"words": {Type: gguf.TypeString, Len: 2, Values: []any{"a", ""}},
		"flags": {Type: gguf.TypeBool, Len: 2, Values: []any{true, false}},
		"none":  {Type: gguf.TypeUint32, Values: []any{}},
	} {
		got, _ := h.Metadata.Get(key)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s differs:\n%s", key, diff)
		}
	}
}

// A vocabulary is counted and not kept, wherever the pieces end in which a file is read.
func TestReadCountsVocabularies(t *testing.T) {
	tokens := make([]string, 30_000)
	for i := range tokens {
		tokens[i] = strings.Repeat("x", i%300) // 4.7 MB: more than one piece
	}
	f := gguftest.New("llama").
		Set("tokenizer.ggml.tokens", tokens).
		Set("tokenizer.ggml.token_type", make([]uint8, 5_000_000)).
		Set("after", "still there").
		Set("long", make([]string, 5000)).
		Set("texts", []string{strings.Repeat("x", 40<<10), strings.Repeat("x", 40<<10), "z"}).
		Set("last", uint32(1)).
		Tensor("t", gguf.F32, 8)
	h := f.Read()
	for key, want := range map[string]int{
		"tokenizer.ggml.tokens": len(tokens), "tokenizer.ggml.token_type": 5_000_000, "long": 5000, "texts": 3,
	} {
		got, _ := h.Metadata.Get(key)
		if a, _ := got.(gguf.Array); a.Len != want || a.Values != nil {
			t.Errorf("%s has %d elements of which %d are kept, want %d of which none is", key, a.Len, len(a.Values), want)
		}
		if _, kept := h.Metadata.Uints(key); kept {
			t.Errorf("%s is said to have been kept", key)
		}
	}
	if s, _ := h.Metadata.String("after"); s != "still there" {
		t.Errorf("what follows the vocabulary is %q", s)
	}
	if n, _ := h.Metadata.Uint("last"); n != 1 {
		t.Errorf("the last key is %d", n)
	}
}

// The ranges in a header are those of the file: who puts files together copies them.
func TestHeaderTellsWhereThingsAre(t *testing.T) {
	f := gguftest.New("llama").Set("a.text", "abc").Set("general.alignment", uint32(64)).
		Tensor("t", gguf.F32, 3).Tensor("u", gguf.F16, 5, 2)
	file := f.Bytes()
	h := f.Read()
	at := h.KeysOffsetBytes
	for _, e := range h.Metadata {
		if e.OffsetBytes != at {
			t.Errorf("%s begins at %d, want %d", e.Key, e.OffsetBytes, at)
		}
		if own := string(file[e.OffsetBytes : e.OffsetBytes+e.LengthBytes]); !strings.Contains(own[:8+len(e.Key)], e.Key) {
			t.Errorf("the range of %s has %q", e.Key, own)
		}
		at += e.LengthBytes
	}
	if at != h.KeysEndBytes {
		t.Errorf("the keys end at %d, want %d", h.KeysEndBytes, at)
	}
	want := []gguf.Tensor{
		{Name: "t", Shape: []uint64{3}, Type: gguf.F32, SizeBytes: 12},
		{Name: "u", Shape: []uint64{5, 2}, Type: gguf.F16, OffsetBytes: 64, SizeBytes: 20},
	}
	if diff := cmp.Diff(want, h.Tensors); diff != "" {
		t.Errorf("tensors differ:\n%s", diff)
	}
	if h.DataOffsetBytes%64 != 0 || h.DataOffsetBytes+64+20 != int64(len(file)) {
		t.Errorf("weights begin at %d of %d", h.DataOffsetBytes, len(file))
	}
}

func TestReadVersion2(t *testing.T) {
	f := gguftest.New("llama").Version(2).Tensor("t", gguf.F32, 3)
	if h := f.Read(); h.Version != 2 || h.Architecture() != "llama" || len(h.Tensors) != 1 {
		t.Errorf("read as %+v", h)
	}
}

func TestReadATensorWithoutDimensions(t *testing.T) {
	h := gguftest.New("llama").Tensor("scale", gguf.F32).Read()
	if got := h.Tensors[0]; got.Elements() != 1 || got.SizeBytes != 4 {
		t.Errorf("a single number is %+v", got)
	}
}

func TestReadADemonstrationModel(t *testing.T) {
	var file bytes.Buffer
	if err := tinymodel.Write(&file, tinymodel.Options{Name: "tiny"}); err != nil {
		t.Fatal(err)
	}
	h, err := gguf.Read(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	last := h.Tensors[len(h.Tensors)-1]
	if end := h.DataOffsetBytes + last.OffsetBytes + last.SizeBytes; end > h.SizeBytes || end+32 <= h.SizeBytes {
		t.Errorf("the last tensor ends at %d of %d", end, h.SizeBytes)
	}
}

// recorder notes what is read of a file.
type recorder struct {
	io.ReaderAt
	reads int
	bytes int64
}

func (r *recorder) ReadAt(p []byte, at int64) (int, error) {
	n, err := r.ReaderAt.ReadAt(p, at)
	r.reads++
	r.bytes += int64(n)
	return n, err
}

// A header of a large model costs few ranges of a remote storage, and its weights none.
func TestReadIsFrugal(t *testing.T) {
	f := gguftest.DeepSeekV3().Set("tokenizer.ggml.tokens", manyTokens(100_000)).Set("tokenizer.ggml.merges", manyTokens(100_000))
	r := &recorder{ReaderAt: f.ReaderAt()}
	if _, err := gguf.Read(r, f.SizeBytes()); err != nil {
		t.Fatal(err)
	}
	header := len(f.Header())
	if most := header/(4<<20) + 2; r.reads > most || r.bytes > int64(header)+4<<20 {
		t.Errorf("a header of %d bytes took %d reads of %d bytes", header, r.reads, r.bytes)
	}
}

// The files of a model that was split have short headers, and there may be many.
func TestAShortHeaderIsReadAtOnce(t *testing.T) {
	f := gguftest.New("").Set("split.no", uint16(3)).Set("split.count", uint16(200)).Tensor("blk.0.attn_q.weight", gguf.F16, 8192, 8192)
	r := &recorder{ReaderAt: f.ReaderAt()}
	if _, err := gguf.Read(r, f.SizeBytes()); err != nil {
		t.Fatal(err)
	}
	if r.reads != 1 || r.bytes > 256<<10 {
		t.Errorf("it took %d reads of %d bytes", r.reads, r.bytes)
	}
}

func manyTokens(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = strings.Repeat("t", 3+i%12)
	}
	return all
}

// endless is a file of a header and zeros, of whatever size is said of it.
type endless struct{ header []byte }

func (e endless) ReadAt(p []byte, at int64) (int, error) {
	clear(p)
	if at < int64(len(e.header)) {
		copy(p, e.header[at:])
	}
	return len(p), nil
}

// A header that goes on and on is given up.
func TestReadGivesUpEndlessHeaders(t *testing.T) {
	header := gguftest.New("").Set("tokenizer.ggml.tokens", []string{}).Header()
	const empty = 16 << 20 // tokens of no letter, of 8 bytes each
	binary.LittleEndian.PutUint64(header[len(header)-8:], empty)
	r := &recorder{ReaderAt: endless{header}}
	_, err := gguf.Read(r, 1<<40)
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.MessageOf(err), "too long") {
		t.Errorf("it ended with %v", err)
	}
	if r.bytes > 64<<20 || r.bytes < 60<<20 {
		t.Errorf("%d bytes were read", r.bytes)
	}
}

// What is kept of a header is bounded, whatever its size: short arrays and texts add up.
func TestReadKeepsLittle(t *testing.T) {
	f := func(name string, value any, keys int) {
		t.Helper()
		file := gguftest.New("llama")
		for i := range keys {
			file.Set(fmt.Sprintf("x.%d", i), value)
		}
		reader, size := file.ReaderAt(), file.SizeBytes()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := gguf.Read(reader, size)
		runtime.ReadMemStats(&after)
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.MessageOf(err), "more than 16 MiB") {
			t.Errorf("%s: it ended with %v", name, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 48<<20 {
			t.Errorf("%s: %d bytes were allocated", name, took)
		}
	}
	f("short arrays", make([]uint8, 4096), 140)
	f("arrays of texts", slices.Repeat([]string{"a"}, 4000), 140)
	f("texts", strings.Repeat("x", 500_000), 40)
}

// faulty fails like a storage that went away.
type faulty struct{ err error }

func (f faulty) ReadAt([]byte, int64) (int, error) { return 0, f.err }

func TestReadPassesOnWhatTheStorageSaid(t *testing.T) {
	cause := fault.New(fault.Unavailable, "the storage is away").On(fault.Service)
	_, err := gguf.Read(faulty{cause}, 1<<30)
	if !errors.Is(err, cause) || fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Service {
		t.Errorf("it failed with %v of kind %v and side %v", err, fault.KindOf(err), fault.SideOf(err))
	}
}
