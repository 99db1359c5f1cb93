package main

import (
	"context"
	"io"
	"iter"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/plugin"
	"github.com/corral-fleet/corral/sdk/storage"
)

// role is the variable that has this program be a plugin.
const role = "PLUGINBENCH_ROLE"

// settings are those of a storage that is none.
type settings struct {
	Bytes int64 `yaml:"bytes" help:"how many bytes every object has"`
}

func servePlugin() int {
	return plugin.Main(plugin.About{Name: "boundary", Version: "0.1.0"}, plugin.Storage(func(_ context.Context, s settings) (storage.Backend, error) {
		return nowhere(s.Bytes), nil
	}))
}

// nowhere is a backend whose objects are made up, and whose uploads are thrown away.
type nowhere int64

func (n nowhere) Stat(_ context.Context, key string) (storage.Info, error) {
	return storage.Info{Key: key, SizeBytes: int64(n)}, nil
}

func (n nowhere) Get(_ context.Context, _ string, r storage.Range) (io.ReadCloser, error) {
	_, length, err := r.Of(int64(n))
	if err != nil {
		return nil, err
	}
	return io.NopCloser(io.LimitReader(unchanging{}, length)), nil
}

func (nowhere) Put(_ context.Context, _ string, src storage.Source) error {
	in, err := src.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	return discard(in)
}

func (nowhere) Delete(context.Context, string) error { return nil }

func (nowhere) List(context.Context, string) iter.Seq2[storage.Info, error] {
	return func(func(storage.Info, error) bool) {}
}

// unchanging yields whatever is in the reader's buffer.
type unchanging struct{}

func (unchanging) Read(p []byte) (int, error) { return len(p), nil }

// pieceBytes is how much is read at a time.
const pieceBytes = 256 << 10

func discard(in io.Reader) error {
	_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, in, make([]byte, pieceBytes))
	return err
}

// running is a plugin that was started.
type running struct {
	*host.Process
	runDir string
}

// start starts a program as a plugin. messages has bytes pass through gRPC.
func start(ctx context.Context, path string, messages bool, env ...string) (*running, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	sum, err := host.Digest(path)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "run")
	if err != nil {
		return nil, err
	}
	p, err := host.Start(ctx, host.Program{
		Path: path, SHA256: sum, RunDir: dir, Env: env, Log: hclog.NewNullLogger(), NoDataSocket: messages,
	})
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return &running{p, dir}, nil
}

func (r *running) stop() {
	r.Stop()
	os.RemoveAll(r.runDir)
}

// errShort is a transfer without an error that is not whole all the same.
var errShort = fault.New(fault.Corrupt, "other bytes came than there are")
