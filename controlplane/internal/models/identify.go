package models

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models/operations"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/storage"
)

// identify finds out the digests of a model's layers that no file has, as of one that was
// split. It is done once, here: Ollama has to be told a digest before the first byte, so
// that each host would have to get all bytes twice, and none could get them from another.
//
// Files that have arrived are read here; arrived has one for each that is stored.
func (s *Service) identify(ctx context.Context, arrived []ParcelFile, files []fleet.ModelFile, info *loader.Info, told func(doneBytes, totalBytes int64)) error {
	unknown := undigested(info, files)
	var done, total int64
	for _, l := range unknown {
		total += l.SizeBytes
	}
	for _, l := range unknown {
		sum, err := s.sumOf(ctx, l, arrived, files, func(n int64) { told(done+n, total) })
		if err != nil {
			return err
		}
		l.SHA256 = sum
		done += l.SizeBytes
	}
	return nil
}

// identifying tells an operation how much has been read for the digest.
func identifying(job *operations.Job) func(doneBytes, totalBytes int64) {
	stored := job.Now()
	return func(done, total int64) {
		// Bytes that are stored are what the operation counts, and they all are.
		job.Progress("hashing", stored.DoneBytes, stored.TotalBytes, fmt.Sprintf("the digest of the model in one is found out: %d%%", 100*done/max(1, total)))
	}
}

// undigested returns the layers of a model that have a digest which nobody knows.
func undigested(info *loader.Info, files []fleet.ModelFile) (layers []*loader.Layer) {
	for i := range info.Layers {
		if l := &info.Layers[i]; l.SHA256 == "" && !hasDigest(l, files) && ofFiles(l) {
			layers = append(layers, l)
		}
	}
	return layers
}

func ofFiles(l *loader.Layer) bool {
	return slices.ContainsFunc(l.Parts, func(p loader.Part) bool { return p.File != "" })
}

// hasDigest reports whether a layer is a whole file, which has a digest.
func hasDigest(l *loader.Layer, files []fleet.ModelFile) bool {
	return len(l.Parts) == 1 && slices.ContainsFunc(files, func(f fleet.ModelFile) bool {
		return f.Path == l.Parts[0].File && f.SizeBytes == l.Parts[0].LengthBytes && f.SHA256 != ""
	})
}

// sumOf returns the sha256 of a layer, in hexadecimal.
func (s *Service) sumOf(ctx context.Context, l *loader.Layer, arrived []ParcelFile, files []fleet.ModelFile, told func(doneBytes int64)) (string, error) {
	sum := sha256.New()
	into := counted{sum, told, new(int64)}
	piece := make([]byte, 1<<20)
	for _, part := range l.Parts {
		if part.File == "" {
			if _, err := into.Write(part.Inline); err != nil {
				return "", err
			}
			continue
		}
		i := slices.IndexFunc(files, func(f fleet.ModelFile) bool { return f.Path == part.File })
		if i < 0 {
			return "", fault.New(fault.Internal, "a loader has a layer of the file %q, which is none of the model's", part.File)
		}
		if part.LengthBytes == 0 {
			continue
		}
		if err := s.copyRange(ctx, into, &arrived[i], &files[i], part, piece); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// copyRange copies a range of a file: of the one that has arrived as long as that is here,
// which spares a storage that is far away.
func (s *Service) copyRange(ctx context.Context, to io.Writer, arrived *ParcelFile, stored *fleet.ModelFile, part loader.Part, piece []byte) (err error) {
	in, err := openRange(arrived.Local, part)
	if err != nil {
		in, err = s.Storages.Open(ctx, stored.Storage, stored.Key, storage.Range{OffsetBytes: part.OffsetBytes, LengthBytes: part.LengthBytes})
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	n, err := io.CopyBuffer(to, interruptible{ctx, in}, piece)
	if err == nil && n != part.LengthBytes {
		err = fault.New(fault.Conflict, "the file %q was replaced while it was read", stored.Key)
	}
	return err
}

func openRange(path string, part loader.Part) (io.ReadCloser, error) {
	if path == "" {
		return nil, os.ErrNotExist
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(f, part.OffsetBytes, part.LengthBytes), f}, nil
}

// interruptible is a reader that ends with a context.
type interruptible struct {
	ctx context.Context //nolint:containedctx // it bounds a reader, as a request's does its body
	io.Reader
}

func (r interruptible) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.Reader.Read(p)
}
