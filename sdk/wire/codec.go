package wire

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

type fieldNumber = protowire.Number

// message is implemented by everything that can be encoded. Each type names its
// fields once, in the method fields; encoding and decoding both run through it,
// so the two cannot differ.
type message interface {
	fields(c *codec)
}

// codec carries a message's fields to bytes, or one field's bytes to the
// message. It follows proto3: a zero value is not sent, an unknown field is
// skipped, the last value of a repeated scalar field wins.
type codec struct {
	decoding bool
	err      error

	out []byte // encoding: what has been written

	num   fieldNumber // decoding: the field at hand
	typ   protowire.Type
	value uint64 // of a varint or fixed field
	data  []byte // of a length-delimited field
	rows  *int   // how many rows the frame may still have
}

// maxRows bounds the rows of all lists in one frame: an empty row takes two
// bytes on the wire, and a hundred times that in memory.
const maxRows = 32 << 10

var (
	errWireType = errors.New("field has another type than the schema says")
	errUTF8     = errors.New("text is not UTF-8")
	errRows     = fmt.Errorf("the frame has more than %d rows", maxRows)
)

// Encoder encodes without allocating beyond the memory that it is given. The
// zero value is ready for use, by one goroutine at a time.
type Encoder struct {
	c codec
}

// AppendFrame appends f's encoding to dst.
func (e *Encoder) AppendFrame(dst []byte, f Frame) []byte {
	e.c.out = dst
	e.c.message(f.number(), f)
	return e.release()
}

// AppendSample appends a sample's encoding, without an envelope, to dst. It is
// the form in which histories keep samples.
func (e *Encoder) AppendSample(dst []byte, s *Sample) []byte {
	e.c.out = dst
	s.fields(&e.c)
	return e.release()
}

func (e *Encoder) release() []byte {
	out := e.c.out
	e.c.out = nil
	return out
}

// AppendFrame appends f's encoding to dst.
func AppendFrame(dst []byte, f Frame) []byte {
	var e Encoder
	return e.AppendFrame(dst, f)
}

// DecodeFrame decodes one frame. A frame that this build does not know is
// returned as [*Unknown]. The result shares no memory with b.
func DecodeFrame(b []byte) (Frame, error) {
	num, typ, n := protowire.ConsumeTag(b)
	if n < 0 {
		return nil, fmt.Errorf("wire: frame tag: %w", protowire.ParseError(n))
	}
	if typ != protowire.BytesType {
		return nil, fmt.Errorf("wire: frame %d: %w", num, errWireType)
	}
	data, m := protowire.ConsumeBytes(b[n:])
	if m < 0 {
		return nil, fmt.Errorf("wire: frame %d: %w", num, protowire.ParseError(m))
	}
	if n+m != len(b) {
		return nil, fmt.Errorf("wire: frame %d: %d bytes after its end", num, len(b)-n-m)
	}
	f := newFrame(num)
	if f == nil {
		return &Unknown{Number: uint32(num), Payload: append([]byte(nil), data...)}, nil
	}
	budget := maxRows
	if err := decode(data, f, &budget); err != nil {
		return nil, fmt.Errorf("wire: frame %d: %w", num, err)
	}
	return f, nil
}

// DecodeSample decodes what [Encoder.AppendSample] wrote into s, reusing its memory.
func DecodeSample(b []byte, s *Sample) error {
	s.Reset()
	budget := maxRows
	return decode(b, s, &budget)
}

// decode reads a message. rows is how many rows of lists the frame may still
// have, over all of its lists.
func decode(b []byte, m message, rows *int) error {
	c := codec{decoding: true, rows: rows}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		c.num, c.typ, c.value, c.data = num, typ, 0, nil
		switch typ {
		case protowire.VarintType:
			c.value, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			c.value = uint64(v)
		case protowire.BytesType:
			c.data, n = protowire.ConsumeBytes(b)
		default: // of no field in this protocol; skipped
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		m.fields(&c)
		if c.err != nil {
			return fmt.Errorf("field %d: %w", num, c.err)
		}
	}
	return nil
}

// takes reports whether the field at hand is num, and checks its type.
func (c *codec) takes(num fieldNumber, typ protowire.Type) bool {
	if c.num != num {
		return false
	}
	if c.typ != typ {
		c.err = errWireType
		return false
	}
	return true
}

func (c *codec) uint64(num fieldNumber, p *uint64) {
	switch {
	case !c.decoding && *p != 0:
		c.out = protowire.AppendTag(c.out, num, protowire.VarintType)
		c.out = protowire.AppendVarint(c.out, *p)
	case c.decoding && c.takes(num, protowire.VarintType):
		*p = c.value
	}
}

func (c *codec) uint32(num fieldNumber, p *uint32) {
	v := uint64(*p)
	c.uint64(num, &v)
	*p = uint32(v)
}

func (c *codec) int64(num fieldNumber, p *int64) {
	v := uint64(*p)
	c.uint64(num, &v)
	*p = int64(v)
}

func (c *codec) bool(num fieldNumber, p *bool) {
	v := uint64(0)
	if *p {
		v = 1
	}
	c.uint64(num, &v)
	*p = v != 0
}

// float32 sends NaN, which stands for "not known", as the field's absence is
// zero: explicitly.
func (c *codec) float32(num fieldNumber, p *float32) {
	switch {
	case !c.decoding && *p != 0:
		c.out = protowire.AppendTag(c.out, num, protowire.Fixed32Type)
		c.out = protowire.AppendFixed32(c.out, math.Float32bits(*p))
	case c.decoding && c.takes(num, protowire.Fixed32Type):
		*p = math.Float32frombits(uint32(c.value))
	}
}

// float32s is a packed list.
func (c *codec) float32s(num fieldNumber, p *[]float32) {
	switch {
	case !c.decoding && len(*p) > 0:
		c.out = protowire.AppendTag(c.out, num, protowire.BytesType)
		c.out = protowire.AppendVarint(c.out, uint64(4*len(*p)))
		for _, v := range *p {
			c.out = protowire.AppendFixed32(c.out, math.Float32bits(v))
		}
	case c.decoding && c.takes(num, protowire.BytesType):
		if len(c.data)%4 != 0 {
			c.err = errors.New("packed floats are cut off")
			return
		}
		for b := c.data; len(b) > 0; b = b[4:] {
			v, _ := protowire.ConsumeFixed32(b)
			*p = append(*p, math.Float32frombits(v))
		}
	}
}

func (c *codec) string(num fieldNumber, p *string) {
	switch {
	case !c.decoding && *p != "":
		c.out = protowire.AppendTag(c.out, num, protowire.BytesType)
		c.out = protowire.AppendString(c.out, *p)
	case c.decoding && c.takes(num, protowire.BytesType):
		if !utf8.Valid(c.data) {
			c.err = errUTF8
			return
		}
		if string(c.data) != *p { // a reused message mostly holds the same string already
			*p = string(c.data)
		}
	}
}

func (c *codec) bytes(num fieldNumber, p *[]byte) {
	switch {
	case !c.decoding && len(*p) > 0:
		c.out = protowire.AppendTag(c.out, num, protowire.BytesType)
		c.out = protowire.AppendBytes(c.out, *p)
	case c.decoding && c.takes(num, protowire.BytesType):
		*p = append([]byte(nil), c.data...)
	}
}

// raw writes bytes that are already encoded.
func (c *codec) raw(b []byte) {
	if !c.decoding {
		c.out = append(c.out, b...)
	}
}

func (c *codec) message(num fieldNumber, m message) {
	switch {
	case !c.decoding:
		c.out = protowire.AppendTag(c.out, num, protowire.BytesType)
		start := len(c.out)
		m.fields(c)
		c.prefixLength(start)
	case c.takes(num, protowire.BytesType):
		c.err = decode(c.data, m, c.rows)
	}
}

// prefixLength puts the length of what was written since start before it.
func (c *codec) prefixLength(start int) {
	size := len(c.out) - start
	prefix := protowire.SizeVarint(uint64(size))
	c.out = append(c.out, make([]byte, prefix)...)
	copy(c.out[start+prefix:], c.out[start:start+size])
	protowire.AppendVarint(c.out[:start], uint64(size))
}

// list is a repeated message. Decoding appends to what is there, in its memory.
func list[T any, M interface {
	*T
	message
}](c *codec, num fieldNumber, p *[]T) {
	switch {
	case !c.decoding:
		for i := range *p {
			c.message(num, M(&(*p)[i]))
		}
	case c.takes(num, protowire.BytesType):
		if *c.rows--; *c.rows < 0 {
			c.err = errRows
			return
		}
		var zero T
		*p = append(*p, zero)
		c.err = decode(c.data, M(&(*p)[len(*p)-1]), c.rows)
	}
}
