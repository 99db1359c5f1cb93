package models

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"

	"github.com/corral-fleet/corral/agent/internal/models/fetch"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// layer is one part of the model, which can be read.
type layer struct {
	loader.Layer
	parts []part
}

// part is a range of a file, or bytes.
type part struct {
	file   *fetch.File // nil where inline has the bytes
	offset int64
	length int64
	inline []byte
}

// newLayer returns a layer of files by their names in the recipe.
func newLayer(from loader.Layer, files map[string]*fetch.File) (*layer, error) {
	l := &layer{Layer: from}
	var total int64
	for _, p := range from.Parts {
		made := part{offset: p.OffsetBytes, length: p.LengthBytes, inline: p.Inline}
		switch {
		case p.File == "":
			if p.OffsetBytes != 0 || p.LengthBytes != int64(len(p.Inline)) {
				return nil, fault.New(fault.Invalid, "a part of the recipe says that it has %d bytes, and has %d", p.LengthBytes, len(p.Inline))
			}
		case files[p.File] == nil:
			return nil, fault.New(fault.Invalid, "the recipe names the file %q, of which nothing says where it is", p.File)
		default:
			made.file = files[p.File]
			if p.OffsetBytes < 0 || p.LengthBytes < 0 || p.LengthBytes > made.file.SizeBytes()-p.OffsetBytes {
				return nil, fault.New(fault.Invalid, "the recipe wants bytes beyond the end of the file %q", p.File)
			}
		}
		total += made.length
		l.parts = append(l.parts, made)
	}
	if total != from.SizeBytes || total == 0 {
		return nil, fault.New(fault.Invalid, "a %s layer of the recipe says that it has %d bytes, and has %d", from.Role, from.SizeBytes, total)
	}
	return l, nil
}

// digest is the layer's name in Ollama's store.
func (l *layer) digest() string { return "sha256:" + l.SHA256 }

// preferPeers has a layer of several files come from hosts that have all of it, and from
// its files where they fail.
func (l *layer) preferPeers(from *fetch.Client, peers []work.Peer) error {
	source := work.Source{SizeBytes: l.Layer.SizeBytes, SHA256: l.SHA256, Peers: peers}
	whole, err := from.Assembled(l.digest(), source, &layer{Layer: l.Layer, parts: l.parts})
	if err != nil {
		return err
	}
	l.parts = []part{{file: whole, length: l.Layer.SizeBytes}}
	return nil
}

// SizeBytes implements registry.Blob.
func (l *layer) SizeBytes() int64 { return l.Layer.SizeBytes }

// ofFiles reports whether some of the layer is in a file.
func (l *layer) ofFiles() bool {
	return slices.ContainsFunc(l.parts, func(p part) bool { return p.file != nil })
}

// inline returns the bytes of a layer that stands in the recipe, nil where it doesn't.
func (l *layer) inline() []byte {
	if len(l.parts) != 1 || l.parts[0].file != nil {
		return nil
	}
	return l.parts[0].inline
}

// distrust has the layer's files come from no other host any more, and reports whether
// something of them did.
func (l *layer) distrust() (did bool) {
	for _, p := range l.parts {
		if p.file != nil && p.file.Distrust() {
			did = true
		}
	}
	return did
}

// Open implements registry.Blob: it reads a range across the parts.
func (l *layer) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	r := &layerReader{ctx: ctx}
	for _, p := range l.parts {
		if offset >= p.length {
			offset -= p.length
			continue
		}
		n := min(length, p.length-offset)
		r.left = append(r.left, part{file: p.file, offset: p.offset + offset, length: n, inline: p.inline})
		length -= n
		if offset = 0; length == 0 {
			break
		}
	}
	if length > 0 {
		return nil, errors.New("read beyond the end of a layer")
	}
	return r, nil
}

// layerReader reads one part after the other.
type layerReader struct {
	ctx     context.Context //nolint:containedctx // it bounds a reader, as a request's does its body
	left    []part
	current io.ReadCloser
}

// Read implements [io.Reader].
func (r *layerReader) Read(p []byte) (int, error) {
	for {
		if r.current == nil {
			if len(r.left) == 0 {
				return 0, io.EOF
			}
			next := r.left[0]
			r.left = r.left[1:]
			if next.file == nil {
				r.current = small(next.inline).open(next.offset, next.length)
			} else {
				body, err := next.file.Open(r.ctx, next.offset, next.length)
				if err != nil {
					return 0, err
				}
				r.current = body
			}
		}
		n, err := r.current.Read(p)
		if err != io.EOF {
			return n, err
		}
		r.current.Close()
		r.current = nil
		if n > 0 {
			return n, nil
		}
	}
}

// Close implements [io.Closer].
func (r *layerReader) Close() error {
	r.left = nil
	if r.current == nil {
		return nil
	}
	return r.current.Close()
}

// identify finds out the layer's digest where the recipe doesn't say it, by reading it
// all, and tells of each piece. One that stands in the recipe is held to what it says.
func (l *layer) identify(ctx context.Context, read func(n int64)) error {
	if l.SHA256 != "" && l.ofFiles() {
		return nil // held to it when it is taken in
	}
	body, err := l.Open(ctx, 0, l.SizeBytes())
	if err != nil {
		return err
	}
	defer body.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, &counting{body, read})
	if err != nil {
		return err
	}
	if n != l.SizeBytes() {
		return fault.New(fault.Corrupt, "a %s layer ended after %d of %d bytes", l.Role, n, l.SizeBytes()).On(fault.Service)
	}
	found := hex.EncodeToString(sum.Sum(nil))
	if l.SHA256 != "" && l.SHA256 != found {
		return fault.New(fault.Corrupt, "a %s layer has the digest %s, and should have %s", l.Role, found, l.SHA256).On(fault.Service)
	}
	l.SHA256 = found
	return nil
}

// counting tells of each piece that is read.
type counting struct {
	io.Reader
	read func(n int64)
}

// Read implements [io.Reader].
func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read(int64(n))
	return n, err
}
