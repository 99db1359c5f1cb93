package tinymodel_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
)

// parsed is a GGUF file as this small reader, which shares nothing with the
// writer, understands it.
type parsed struct {
	values  map[string]any // metadata: uint32, int32, float32, bool, string or []any of these
	keys    []string
	tensors map[string]parsedTensor
	names   []string
	data    []byte
}

type parsedTensor struct {
	shape  []uint64 // the contiguous dimension first
	kind   uint32   // 0 single, 1 half precision
	offset uint64
}

// parse reads a whole file and fails the test where the format is broken.
func parse(t *testing.T, file []byte) parsed {
	t.Helper()
	r := &reader{t: t, b: bytes.NewReader(file)}
	if magic := string(r.take(4)); magic != "GGUF" {
		t.Fatalf("magic is %q", magic)
	}
	if version := r.uint32(); version != 3 {
		t.Fatalf("version is %d, want 3", version)
	}
	p := parsed{values: map[string]any{}, tensors: map[string]parsedTensor{}}
	tensors, keys := r.uint64(), r.uint64()
	for range keys {
		key := r.string()
		if _, twice := p.values[key]; twice {
			t.Fatalf("key %s occurs twice", key)
		}
		p.keys = append(p.keys, key)
		p.values[key] = r.value(r.uint32())
	}
	for range tensors {
		name := r.string()
		var pt parsedTensor
		for range r.uint32() {
			pt.shape = append(pt.shape, r.uint64())
		}
		pt.kind, pt.offset = r.uint32(), r.uint64()
		p.names = append(p.names, name)
		p.tensors[name] = pt
	}
	header := len(file) - r.b.Len()
	p.data = file[(header+31)/32*32:]
	return p
}

// raw returns a tensor's data.
func (p parsed) raw(name string) []byte {
	pt := p.tensors[name]
	size := uint64(4)
	if pt.kind == 1 {
		size = 2
	}
	for _, d := range pt.shape {
		size *= d
	}
	return p.data[pt.offset : pt.offset+size]
}

// matrix decodes a tensor into rows. A vector has one row.
func (p parsed) matrix(t *testing.T, name string) [][]float64 {
	t.Helper()
	pt, ok := p.tensors[name]
	if !ok {
		t.Fatalf("no tensor %s", name)
	}
	rows, cols := 1, int(pt.shape[0])
	if len(pt.shape) == 2 {
		rows = int(pt.shape[1])
	}
	at := p.data[pt.offset:]
	out := make([][]float64, rows)
	for r := range out {
		for range cols {
			if pt.kind == 0 {
				out[r] = append(out[r], float64(math.Float32frombits(binary.LittleEndian.Uint32(at))))
				at = at[4:]
			} else {
				out[r] = append(out[r], half(binary.LittleEndian.Uint16(at)))
				at = at[2:]
			}
		}
	}
	return out
}

// half decodes a half-precision number by the definition of the format.
func half(h uint16) float64 {
	exponent, fraction := int(h>>10&31), float64(h&1023)
	var v float64
	switch exponent {
	case 0:
		v = math.Ldexp(fraction, -24)
	case 31:
		v = math.Inf(1)
	default:
		v = math.Ldexp(1024+fraction, exponent-25)
	}
	if h>>15 == 1 {
		v = -v
	}
	return v
}

type reader struct {
	t *testing.T
	b *bytes.Reader
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(r.b.Len()) {
		r.t.Fatalf("%d bytes wanted, %d are left", n, r.b.Len())
	}
	b := make([]byte, n)
	_, _ = r.b.Read(b) // there are enough
	return b
}

func (r *reader) uint32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }
func (r *reader) uint64() uint64 { return binary.LittleEndian.Uint64(r.take(8)) }
func (r *reader) string() string { return string(r.take(r.uint64())) }

func (r *reader) value(kind uint32) any {
	switch kind {
	case 4:
		return r.uint32()
	case 5:
		return int32(r.uint32())
	case 6:
		return math.Float32frombits(r.uint32())
	case 7:
		return r.take(1)[0] == 1
	case 8:
		return r.string()
	case 9:
		of, n := r.uint32(), r.uint64()
		var all []any
		for range n {
			all = append(all, r.value(of))
		}
		return all
	}
	r.t.Fatalf("value of unexpected type %d", kind)
	return nil
}
