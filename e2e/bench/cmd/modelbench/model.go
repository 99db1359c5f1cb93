package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// storeLimit is how long a model may take to come into a storage.
const storeLimit = 10 * time.Minute

// shaped describes a model whose file has about so many bytes, and which Ollama runs.
func shaped(sizeBytes int64) tinymodel.Options {
	const weight = 2 // bytes
	dim, layers := int64(256), int64(2)
	if sizeBytes > 64<<20 {
		dim, layers = 1024, 8*((sizeBytes+2<<30-1)/(2<<30))
	}
	// Of each layer, attention has three squares of the dimension, and the rest is three
	// times as large as the feed-forward part is long.
	forward := (sizeBytes/weight/layers - 3*dim*dim) / (3 * dim)
	return tinymodel.Options{Name: "modelbench", Dim: int(dim), Layers: int(layers), FeedForward: int(max(1, forward/32)) * 32}
}

// writeModel writes a model of about so many bytes, and returns how many it has.
func writeModel(path string, sizeBytes int64) (int64, error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(tinymodel.Write(f, shaped(sizeBytes)), f.Sync(), f.Close()); err != nil {
		return 0, err
	}
	is, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return is.Size(), nil
}

// store uploads a file as a model of the catalogue, and returns when it is in its storage
// and a loader has looked at it.
func (s *scene) store(ctx context.Context, model, storage, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	is, err := f.Stat()
	if err != nil {
		return err
	}
	upload := client.ModelUpload{
		Name: model, Storage: storage,
		Files: []client.UploadFile{{Name: filepath.Base(path), Content: f, SizeBytes: is.Size()}},
	}
	return s.upload(ctx, upload)
}

// upload uploads a model, and returns when it is in its storage and a loader has looked at
// it.
func (s *scene) upload(ctx context.Context, upload client.ModelUpload) error {
	if _, err := s.api.UploadModel(ctx, upload, client.UploadOptions{}); err != nil {
		return err
	}
	return await(ctx, storeLimit, func() error {
		m, err := s.api.Model(ctx, upload.Name)
		switch {
		case err != nil:
			return err
		case m.Status != "stored" || m.Progress != nil:
			return errors.Join(errors.New("the model "+m.Name+" is "+m.Status), problems(m))
		}
		return nil
	})
}

func problems(m *client.Model) error {
	var errs []error
	for _, p := range m.Problems {
		errs = append(errs, errors.New(p))
	}
	return errors.Join(errs...)
}
