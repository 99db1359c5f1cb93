package storages

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strings"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// Query says which part of a storage's files is wanted.
type Query struct {
	Prefix string
	// Flat has no folders: every file below the prefix is told.
	Flat   bool
	Cursor string // of the part before; empty for the first
	Limit  int    // from 1 to [storage.MaxPage]
}

// Files returns a part of what a storage has.
func (s *Service) Files(ctx context.Context, name string, q Query) (Listing, error) {
	e, err := s.find(name)
	if err != nil {
		return Listing{}, err
	}
	page, err := storage.ListPage(ctx, e.instance, storage.PageRequest{Prefix: q.Prefix, Folders: !q.Flat, Token: q.Cursor, Limit: q.Limit})
	if err != nil {
		return Listing{}, explain(e.Name, err)
	}
	l := Listing{Files: make([]File, 0, len(page.Folders)+len(page.Objects)), Cursor: page.NextToken, Storage: e.Name}
	for _, folder := range page.Folders {
		l.Files = append(l.Files, File{Path: folder, Storage: e.Name, URL: e.address() + folder, Folder: true})
	}
	for _, o := range page.Objects {
		l.Files = append(l.Files, e.file(o))
	}
	return l, nil
}

// File tells of a file.
func (s *Service) File(ctx context.Context, name, path string) (File, error) {
	e, err := s.find(name)
	if err != nil {
		return File{}, err
	}
	info, err := e.stat(ctx, path)
	if err != nil {
		return File{}, err
	}
	return e.file(info), nil
}

func (e *entry) stat(ctx context.Context, path string) (storage.Info, error) {
	if err := storage.CheckKey(path); err != nil {
		return storage.Info{}, err
	}
	info, err := e.instance.Stat(ctx, path)
	return info, explain(e.Name, err)
}

// Read reads a file, or a part of it.
func (s *Service) Read(ctx context.Context, name, path string, r storage.Range) (io.ReadCloser, error) {
	e, err := s.find(name)
	if err != nil {
		return nil, err
	}
	if err := storage.CheckKey(path); err != nil {
		return nil, err
	}
	content, err := e.instance.Get(ctx, path, r)
	if err != nil {
		return nil, explain(e.Name, err)
	}
	return content, nil
}

// Upload is a file that is to be stored.
type Upload struct {
	Content   io.Reader // an error of it is returned
	SizeBytes int64     // -1 is unknown
	SHA256    string    // in hexadecimal, that it has to have; empty is any
	New       bool      // only where there is none of this path
}

// Write stores a file, in the place of one that may be there. Until it has returned,
// the file that was there is what is seen. It returns the file with its sha256.
func (s *Service) Write(ctx context.Context, name, path string, u Upload) (File, error) {
	e, err := s.find(name)
	if err != nil {
		return File{}, err
	}
	if err := storage.CheckKey(path); err != nil {
		return File{}, err
	}
	if err := e.writable(); err != nil {
		return File{}, err
	}
	put := e.instance.Put
	if u.New {
		creator, ok := storage.As[storage.Creator](storage.Backend(e.instance))
		if !ok {
			return File{}, fault.New(fault.NotImplemented, "the storage %q can't tell whether a file is there already", e.Name)
		}
		put = creator.Create
	}
	content := &hashed{from: u.Content, sum: sha256.New(), want: strings.ToLower(u.SHA256)}
	src, err := sourceOf(content, u.SizeBytes)
	if err == nil {
		err = put(ctx, path, src)
	}
	if err != nil {
		if content.err != nil {
			return File{}, content.err // what the storage made of it says less
		}
		return File{}, explain(e.Name, err)
	}
	info, err := e.stat(ctx, path)
	if err != nil { // it is stored all the same
		info = storage.Info{Key: path, SizeBytes: content.bytes}
	}
	f := e.file(info)
	f.SHA256 = content.digest()
	return f, nil
}

// keptBytes is how large an upload is at most that is kept in memory, from where it is
// sent again when the plugin ends under it. Larger ones pass through, and fail.
const keptBytes = 1 << 20

// sourceOf returns what is uploaded as a source, which can be opened again if it is
// small.
func sourceOf(content io.Reader, sizeBytes int64) (storage.Source, error) {
	once := storage.Once(content, sizeBytes)
	if sizeBytes < 0 || sizeBytes > keptBytes {
		return once, nil
	}
	in, err := once.Open()
	if err != nil {
		return nil, err
	}
	all, err := io.ReadAll(in)
	return storage.Bytes(all), errors.Join(err, in.Close())
}

// Delete removes a file. That there is none is no error.
func (s *Service) Delete(ctx context.Context, name, path string) error {
	e, err := s.find(name)
	if err != nil {
		return err
	}
	if err := storage.CheckKey(path); err != nil {
		return err
	}
	if err := e.writable(); err != nil {
		return err
	}
	return explain(e.Name, e.instance.Delete(ctx, path))
}

// Writable says of a storage that files can't be kept there: there is none of this name, or
// it can only be read. The empty name is that of the one that is meant where none is named.
func (s *Service) Writable(name string) error {
	e, err := s.find(name)
	if err != nil {
		return err
	}
	return e.writable()
}

// onlyReads reports whether nothing can be stored there.
func (e *entry) onlyReads() bool {
	return storage.CapabilitiesOf(e.instance)&storage.OnlyReads != 0
}

// writable says of a storage that can only be read that it can, before any bytes are sent
// there.
func (e *entry) writable() error {
	if e.onlyReads() {
		return fault.New(fault.NotImplemented, "the storage %q can only be read: what it has, others publish", e.Name).On(fault.Caller)
	}
	return nil
}

// hashed is content whose digest is made while it is read. One that is not as it
// should be fails at its end, so that it is never stored.
type hashed struct {
	from  io.Reader
	sum   hash.Hash
	want  string
	bytes int64
	err   error // other than its end
}

func (h *hashed) digest() string { return hex.EncodeToString(h.sum.Sum(nil)) }

// Read implements [io.Reader].
func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.from.Read(p)
	h.bytes += int64(n)
	h.sum.Write(p[:n]) // a hash never fails
	if err == io.EOF && h.want != "" && h.want != h.digest() {
		err = fault.New(fault.Invalid, "the sha256 of what came is %s, not %s", h.digest(), h.want).On(fault.Caller)
	}
	if err != nil && err != io.EOF {
		h.err = err
	}
	return n, err
}

func (e *entry) file(o storage.Info) File {
	f := File{Path: o.Key, Size: o.SizeBytes, Storage: e.Name, URL: e.address() + o.Key, Version: o.Version, SHA256: o.SHA256}
	if !o.ModifiedAt.IsZero() {
		f.Modified = o.ModifiedAt.UTC().Format(time.RFC3339Nano)
	}
	return f
}

// address returns what the URLs of a storage's files begin with: what its service
// calls it, else its name.
func (e *entry) address() string {
	if a, ok := storage.As[storage.Addresser](storage.Backend(e.instance)); ok && a.Address() != "" {
		return a.Address()
	}
	return "storage://" + e.Name + "/"
}

// explain is an error of a storage as a caller hears of it. That a service does not
// let the storage in is nothing that the caller could do about by a key, and a bug of
// a plugin is none of ours.
func explain(name string, err error) error {
	switch fault.KindOf(err) {
	case fault.Unauthenticated, fault.Forbidden:
		return fault.Wrap(fault.Unavailable, err, "the service of the storage %q refuses: %s", name, fault.MessageOf(err)).On(fault.SideOf(err))
	case fault.Internal:
		if fault.SideOf(err) == fault.Plugin || fault.SideOf(err) == fault.Service {
			return fault.Wrap(fault.Unavailable, err, "the storage %q failed: %s", name, fault.MessageOf(err)).On(fault.SideOf(err))
		}
	case fault.Unavailable, fault.Timeout:
		return fault.Wrap(fault.KindOf(err), err, "the storage %q can't be reached: %s", name, fault.MessageOf(err)).On(fault.SideOf(err)).After(fault.RetryAfterOf(err))
	}
	return err
}
