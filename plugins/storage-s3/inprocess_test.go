package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/storage"
)

// taskVariable has the tests' program do a task of pluginbench: what storage-s3 does
// through a plugin, without one.
const taskVariable = "STORAGE_S3_TASK"

func TestMain(m *testing.M) {
	text := os.Getenv(taskVariable)
	if text == "" {
		os.Exit(m.Run())
	}
	took, err := doTask(context.Background(), []byte(text))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("{\"seconds\": %f}\n", took.Seconds())
}

// task is a file that goes to a bucket, or comes from it.
type task struct {
	Config json.RawMessage `json:"config"`
	File   string          `json:"file"`
	Key    string          `json:"key"`
	Get    bool            `json:"get"`
	Hash   bool            `json:"hash"` // sha256 is computed as well
}

func doTask(ctx context.Context, text []byte) (took time.Duration, err error) {
	var t task
	if err := json.Unmarshal(text, &t); err != nil {
		return 0, err
	}
	var s settings
	s.SetDefaults()
	if _, faults := config.MergeJSON(&s, t.Config); len(faults) > 0 {
		return 0, fmt.Errorf("the configuration: %v", faults)
	}
	b, err := open(ctx, s)
	if err != nil {
		return 0, err
	}
	defer b.(io.Closer).Close()
	began := time.Now()
	if t.Get {
		err = t.download(ctx, b)
	} else {
		err = t.upload(ctx, b)
	}
	return time.Since(began), err
}

// upload hashes beside the upload, as whoever commits to a digest does.
func (t task) upload(ctx context.Context, b storage.Backend) error {
	hashed := make(chan error, 1)
	go func() { hashed <- t.hash() }()
	src, err := storage.File(t.File)
	if err == nil {
		err = b.Put(ctx, t.Key, src)
	}
	return errors.Join(err, <-hashed)
}

func (t task) hash() error {
	if !t.Hash {
		return nil
	}
	f, err := os.Open(t.File)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.CopyBuffer(sha256.New(), struct{ io.Reader }{f}, make([]byte, pieceBytes))
	return err
}

const pieceBytes = 256 << 10

func (t task) download(ctx context.Context, b storage.Backend) error {
	in, err := b.Get(ctx, t.Key, storage.Range{})
	if err != nil {
		return err
	}
	defer in.Close()
	f, err := os.Create(t.File)
	if err != nil {
		return err
	}
	out := io.Writer(struct{ io.Writer }{f})
	if t.Hash {
		out = io.MultiWriter(out, sha256.New())
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{in}, make([]byte, pieceBytes))
	return errors.Join(err, f.Close())
}
