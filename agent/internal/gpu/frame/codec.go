package frame

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/corral-fleet/corral/agent/internal/gpu"
)

// maxRows bounds each list, as an empty row takes two bytes in a frame and much
// more in memory.
const maxRows = 4096

// maxTexts bounds the texts that a reader keeps. A host has some dozens, which
// are the same in each reading.
const maxTexts = 1024

var (
	errType = errors.New("a field has another type than it should")
	errRows = errors.New("a list is too long")
)

// The wire types of protobuf.
const (
	varintType  = 0
	fixed64Type = 1
	bytesType   = 2
	fixed32Type = 5
)

type mode int

const (
	encoding mode = iota
	decoding
	clearing // rows that are used again
)

// codec carries fields to bytes, or one field's bytes to its place. Each type
// names its fields once, and all ways run through that.
type codec struct {
	mode mode
	out  []byte // encoding: what has been written

	err    error
	num    uint64 // decoding: the field at hand
	typ    uint64
	varint uint64
	data   []byte
	texts  map[string]string // decoding: those seen before, so that they are kept once
}

// decode reads a row from b.
func decode[T any](c *codec, b []byte, row *T, fields func(*codec, *T)) {
	for len(b) > 0 && c.err == nil {
		if b = c.next(b); c.err == nil {
			fields(c, row)
		}
	}
	c.num = 0 // the field of which this was the content is dealt with
}

// next takes a field off b.
func (c *codec) next(b []byte) []byte {
	tag, b := c.uvarint(b)
	c.num, c.typ, c.varint, c.data = tag>>3, tag&7, 0, nil
	size := uint64(0)
	switch c.typ {
	case varintType:
		c.varint, b = c.uvarint(b)
	case bytesType:
		size, b = c.uvarint(b)
	case fixed64Type:
		size = 8
	case fixed32Type:
		size = 4
	default:
		c.err = errType
	}
	if size > uint64(len(b)) {
		c.err = io.ErrUnexpectedEOF
	}
	if c.err != nil {
		return nil
	}
	c.data = b[:size]
	return b[size:]
}

func (c *codec) uvarint(b []byte) (uint64, []byte) {
	v, n := binary.Uvarint(b)
	if n <= 0 && c.err == nil {
		c.err = io.ErrUnexpectedEOF
	}
	return v, b[max(n, 0):]
}

// takes reports whether the field at hand is this one.
func (c *codec) takes(num, typ uint64) bool {
	if c.mode != decoding || c.num != num {
		return false
	}
	if c.typ != typ {
		c.err = errType
	}
	return c.err == nil
}

func (c *codec) write(num, v uint64) {
	c.out = binary.AppendUvarint(c.out, num<<3|varintType)
	c.out = binary.AppendUvarint(c.out, v)
}

func text[T ~string](c *codec, num uint64, p *T) {
	switch {
	case c.mode == clearing:
		*p = ""
	case c.mode == encoding && *p != "":
		c.out = binary.AppendUvarint(c.out, num<<3|bytesType)
		c.out = binary.AppendUvarint(c.out, uint64(len(*p)))
		c.out = append(c.out, *p...)
	case c.takes(num, bytesType):
		*p = T(c.kept(c.data))
	}
}

// kept makes what is not UTF-8 readable: names come from firmware.
func (c *codec) kept(b []byte) string {
	if s, seen := c.texts[string(b)]; seen {
		return s
	}
	s := strings.ToValidUTF8(string(b), "?")
	if len(c.texts) >= maxTexts {
		clear(c.texts)
	}
	c.texts[string(b)] = s
	return s
}

func number(c *codec, num uint64, p *uint32) {
	switch {
	case c.mode == clearing:
		*p = 0
	case c.mode == encoding && *p != 0:
		c.write(num, uint64(*p))
	case c.takes(num, varintType):
		*p = uint32(c.varint)
	}
}

// value is in the frame where it is known, also when it is zero.
func value[T uint32 | uint64](c *codec, num uint64, p *gpu.Value[T]) {
	switch {
	case c.mode == clearing:
		*p = gpu.Value[T]{}
	case c.mode == encoding && p.Known:
		c.write(num, uint64(p.V))
	case c.takes(num, varintType):
		*p = gpu.Of(T(c.varint))
	}
}

// signed writes numbers near zero short, whatever their sign.
func signed(c *codec, num uint64, p *gpu.Value[int32]) {
	switch {
	case c.mode == clearing:
		*p = gpu.Value[int32]{}
	case c.mode == encoding && p.Known:
		c.write(num, uint64(uint32(p.V<<1)^uint32(p.V>>31)))
	case c.takes(num, varintType):
		v := uint32(c.varint)
		*p = gpu.Of(int32(v>>1) ^ -int32(v&1))
	}
}

func flag(c *codec, num uint64, p *gpu.Value[bool]) {
	switch {
	case c.mode == clearing:
		*p = gpu.Value[bool]{}
	case c.mode == encoding && p.Known && p.V:
		c.write(num, 1)
	case c.mode == encoding && p.Known:
		c.write(num, 0)
	case c.takes(num, varintType):
		*p = gpu.Of(c.varint != 0)
	}
}

// moment has the precision of a microsecond, which is the kernel log's.
func moment(c *codec, num uint64, p *time.Time) {
	switch {
	case c.mode == clearing:
		*p = time.Time{}
	case c.mode == encoding && !p.IsZero():
		c.write(num, uint64(p.UnixMicro()))
	case c.takes(num, varintType):
		*p = time.UnixMicro(int64(c.varint)).UTC()
	}
}

func list[T any](c *codec, num uint64, p *[]T, fields func(*codec, *T)) {
	switch {
	case c.mode == clearing:
		*p = (*p)[:0]
	case c.mode == encoding:
		for i := range *p {
			c.out = binary.AppendUvarint(c.out, num<<3|bytesType)
			start := len(c.out)
			fields(c, &(*p)[i])
			c.prefix(start)
		}
	case c.takes(num, bytesType):
		if len(*p) >= maxRows {
			c.err = errRows
			return
		}
		decode(c, c.data, appended(c, p, fields), fields)
	}
}

// appended returns a new last row, with the memory of one that was there before.
func appended[T any](c *codec, p *[]T, fields func(*codec, *T)) *T {
	n := len(*p)
	if n == cap(*p) {
		var zero T
		*p = append(*p, zero)
		return &(*p)[n]
	}
	*p = (*p)[:n+1]
	c.mode = clearing
	fields(c, &(*p)[n])
	c.mode = decoding
	return &(*p)[n]
}

// prefix puts the length of what was written since start before it.
func (c *codec) prefix(start int) {
	var length [binary.MaxVarintLen32]byte
	n := binary.PutUvarint(length[:], uint64(len(c.out)-start))
	c.out = append(c.out, length[:n]...)
	copy(c.out[start+n:], c.out[start:])
	copy(c.out[start:], length[:n])
}
