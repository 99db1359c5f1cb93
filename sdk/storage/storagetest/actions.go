package storagetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// returnSoon is how long what was cancelled may take to return.
const returnSoon = 5 * time.Second

// key returns a key of a check's own.
func key(name string) string { return "st/" + name }

// pattern returns so many bytes, all of them different in place and by seed.
func pattern(size int, seed byte) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b) // it never fails
	return b
}

// put stores bytes, which has to work.
func (t *trial) put(key string, content []byte) {
	if err := t.Put(t.ctx, key, storage.Bytes(content)); err != nil {
		t.fatalf("Put %q, %d bytes: %v", key, len(content), err)
	}
}

// read returns a range of an object, which has to work.
func (t *trial) read(key string, r storage.Range) []byte {
	content, err := t.tryRead(key, r)
	if err != nil {
		t.fatalf("Get %q, %+v: %v", key, r, err)
	}
	return content
}

// begin reads the first 1000 bytes of an object, and leaves the rest to be read.
func (t *trial) begin(ctx context.Context, key string) (io.ReadCloser, []byte) {
	in, err := t.Get(ctx, key, storage.Range{})
	if err != nil {
		t.fatalf("Get: %v", err)
	}
	first := make([]byte, 1000)
	if _, err := io.ReadFull(in, first); err != nil {
		in.Close()
		t.fatalf("Read: %v", err)
	}
	return in, first
}

func (t *trial) tryRead(key string, r storage.Range) ([]byte, error) {
	in, err := t.Get(t.ctx, key, r)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(in)
	return content, errors.Join(err, in.Close())
}

// want checks that an object has these bytes, as Get, Stat and List tell.
func (t *trial) want(key string, content []byte) {
	if got := t.read(key, storage.Range{}); !bytes.Equal(got, content) {
		t.errorf("Get %q returns %s, want %s", key, brief(got), brief(content))
	}
	info, err := t.Stat(t.ctx, key)
	if err != nil {
		t.fatalf("Stat %q: %v", key, err)
	}
	if info.Key != key || info.SizeBytes != int64(len(content)) {
		t.errorf("Stat %q returns %q of %d bytes, want %d", key, info.Key, info.SizeBytes, len(content))
	}
	if keys := t.list(key); !slices.Contains(keys, key) {
		t.errorf("List does not have %q", key)
	}
}

// wantNone checks that there is no object, as Get, Stat and List tell.
func (t *trial) wantNone(key string) {
	if _, err := t.Stat(t.ctx, key); fault.KindOf(err) != fault.NotFound {
		t.errorf("Stat %q: %v, want fault.NotFound", key, err)
	}
	if content, err := t.tryRead(key, storage.Range{}); fault.KindOf(err) != fault.NotFound {
		t.errorf("Get %q: %d bytes, %v, want fault.NotFound", key, len(content), err)
	}
	if keys := t.list(key); slices.Contains(keys, key) {
		t.errorf("List has %q", key)
	}
}

// list returns the keys with a prefix, in order.
func (t *trial) list(prefix string) []string {
	var keys []string
	for info, err := range t.List(t.ctx, prefix) {
		if err != nil {
			t.fatalf("List %q: %v", prefix, err)
		}
		keys = append(keys, info.Key)
	}
	slices.Sort(keys)
	return keys
}

// wantSum checks the digest that is told of an object, if one is.
func (t *trial) wantSum(info storage.Info, content []byte) {
	if sum := sha256.Sum256(content); info.SHA256 != "" && info.SHA256 != hex.EncodeToString(sum[:]) {
		t.errorf("the sha256 of %q is told as %s", info.Key, info.SHA256)
	}
}

// wantKind checks an error's kind.
func (t *trial) wantKind(err error, want fault.Kind, format string, args ...any) {
	if got := fault.KindOf(err); got != want {
		t.errorf(format+": %v (%v), want %v", append(args, err, got, want)...)
	}
}

// brief is what a message says of bytes.
func brief(b []byte) string {
	const most = 24
	if len(b) <= most {
		return string(bytes.ToValidUTF8([]byte(quote(b)), []byte("?")))
	}
	return quote(b[:most]) + "…"
}

// broken is a source that fails after some bytes, or waits for ever.
type broken struct {
	content []byte
	size    int64           // that it says it has
	err     error           // nil waits until ctx ends
	ctx     context.Context //nolint:containedctx // of the upload, which is all that it is for
	reached chan<- struct{} // closed where it breaks; nil for none
	goOn    <-chan struct{} // closed where it is to end well after all; nil for never
}

func (s *broken) SizeBytes() int64 { return s.size }

func (s *broken) Open() (io.ReadCloser, error) {
	return &breaking{from: s, rest: bytes.NewReader(s.content)}, nil
}

type breaking struct {
	from *broken
	rest *bytes.Reader
	told bool
}

func (r *breaking) Read(p []byte) (int, error) {
	if r.rest.Len() > 0 {
		return r.rest.Read(p)
	}
	if r.from.reached != nil && !r.told {
		r.told = true
		close(r.from.reached)
	}
	if r.from.err != nil {
		return 0, r.from.err
	}
	select {
	case <-r.from.goOn:
		return 0, io.EOF
	case <-r.from.ctx.Done():
		return 0, r.from.ctx.Err()
	}
}

func (r *breaking) Close() error { return nil }
