package models

import (
	"bytes"
	"context"
	"io"
)

// small is a blob in memory.
type small []byte

// SizeBytes implements registry.Blob.
func (s small) SizeBytes() int64 { return int64(len(s)) }

// Open implements registry.Blob.
func (s small) Open(_ context.Context, offset, length int64) (io.ReadCloser, error) {
	return s.open(offset, length), nil
}

func (s small) open(offset, length int64) io.ReadCloser {
	return io.NopCloser(bytes.NewReader(s[offset:][:length]))
}
