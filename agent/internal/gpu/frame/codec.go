package frame

import (
	"errors"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/corral-fleet/corral/agent/internal/gpu"
)

// maxRows bounds each list, as an empty row takes two bytes in a frame and much
// more in memory.
const maxRows = 4096

var (
	errType = errors.New("a field has another type than it should")
	errRows = errors.New("a list is too long")
)

// codec carries fields to bytes, or one field's bytes to its place. Each type
// names its fields once, and both ways run through that.
type codec struct {
	out []byte // encoding: what has been written

	decoding bool
	err      error
	num      protowire.Number // decoding: the field at hand
	typ      protowire.Type
	varint   uint64
	data     []byte
}

// decode hands each field of b to fields.
func decode(b []byte, fields func(*codec)) error {
	c := codec{decoding: true}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		c.num, c.typ, c.varint, c.data = num, typ, 0, nil
		switch typ {
		case protowire.VarintType:
			c.varint, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			c.data, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if fields(&c); c.err != nil {
			return c.err
		}
	}
	return nil
}

func (c *codec) takes(num protowire.Number, typ protowire.Type) bool {
	if c.num != num {
		return false
	}
	if c.typ != typ {
		c.err = errType
	}
	return c.err == nil
}

// text makes what is not UTF-8 readable: names come from firmware.
func (c *codec) text(num protowire.Number, p *string) {
	switch {
	case !c.decoding && *p != "":
		c.out = protowire.AppendTag(c.out, num, protowire.BytesType)
		c.out = protowire.AppendString(c.out, *p)
	case c.decoding && c.takes(num, protowire.BytesType):
		*p = strings.ToValidUTF8(string(c.data), "?")
	}
}

func (c *codec) number(num protowire.Number, p *uint32) {
	switch {
	case !c.decoding && *p != 0:
		c.write(num, uint64(*p))
	case c.decoding && c.takes(num, protowire.VarintType):
		*p = uint32(c.varint)
	}
}

func (c *codec) write(num protowire.Number, v uint64) {
	c.out = protowire.AppendTag(c.out, num, protowire.VarintType)
	c.out = protowire.AppendVarint(c.out, v)
}

// value is in the frame where it is known, also when it is zero.
func value[T uint32 | uint64](c *codec, num protowire.Number, p *gpu.Value[T]) {
	switch {
	case !c.decoding && p.Known:
		c.write(num, uint64(p.V))
	case c.decoding && c.takes(num, protowire.VarintType):
		*p = gpu.Of(T(c.varint))
	}
}

func flag(c *codec, num protowire.Number, p *gpu.Value[bool]) {
	switch {
	case !c.decoding && p.Known:
		c.write(num, protowire.EncodeBool(p.V))
	case c.decoding && c.takes(num, protowire.VarintType):
		*p = gpu.Of(c.varint != 0)
	}
}

func list[T any](c *codec, num protowire.Number, p *[]T, fields func(*codec, *T)) {
	switch {
	case !c.decoding:
		for i := range *p {
			var row codec
			fields(&row, &(*p)[i])
			c.out = protowire.AppendTag(c.out, num, protowire.BytesType)
			c.out = protowire.AppendBytes(c.out, row.out)
		}
	case c.takes(num, protowire.BytesType):
		if len(*p) >= maxRows {
			c.err = errRows
			return
		}
		var row T
		c.err = decode(c.data, func(c *codec) { fields(c, &row) })
		*p = append(*p, row)
	}
}
