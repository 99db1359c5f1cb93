package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/procstat"
	"github.com/corral-fleet/corral/e2e/bench/s3"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/storage"
)

// task is a file that goes to a storage, or comes from it. It is JSON for the program
// that does it in process.
type task struct {
	Config map[string]any `json:"config"` // of storage-s3, with secrets
	File   string         `json:"file"`
	Key    string         `json:"key"`
	Get    bool           `json:"get"`
	Hash   bool           `json:"hash"` // in process: sha256 is computed as well
}

// result is what came of a task.
type result struct {
	Seconds float64 `json:"seconds"`
	PeakRSS uint64  `json:"peak_rss"` // bytes, of all processes
}

// transfer is the program that does a task through a plugin.
func transfer(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("pluginbench transfer", flag.ContinueOnError)
	flags.SetOutput(stderr)
	path := flags.String("plugin", "", "")
	messages := flags.Bool("messages", false, "")
	text := flags.String("task", "", "")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	var t task
	if err := json.Unmarshal([]byte(*text), &t); err != nil {
		return err
	}
	p, err := start(ctx, *path, *messages)
	if err != nil {
		return err
	}
	defer p.stop()
	config := host.Configuration{Secrets: map[string]string{s3.SecretField: fmt.Sprint(t.Config[s3.SecretField])}}
	delete(t.Config, s3.SecretField)
	if config.JSON, err = json.Marshal(t.Config); err != nil {
		return err
	}
	s, err := p.OpenStorage(ctx, config)
	if err != nil {
		return err
	}
	began := time.Now()
	if t.Get {
		err = download(ctx, s, t)
	} else {
		err = upload(ctx, s, t)
	}
	if err != nil {
		return err
	}
	r := result{Seconds: time.Since(began).Seconds()}
	for _, pid := range []int{os.Getpid(), p.PID()} {
		peak, err := procstat.PeakRSS(pid)
		if err != nil {
			return err
		}
		r.PeakRSS += peak
	}
	return json.NewEncoder(stdout).Encode(r)
}

func upload(ctx context.Context, b storage.Backend, t task) error {
	src, err := storage.File(t.File)
	if err != nil {
		return err
	}
	return b.Put(ctx, t.Key, src)
}

func download(ctx context.Context, b storage.Backend, t task) error {
	in, err := b.Get(ctx, t.Key, storage.Range{})
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(t.File)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{out}, in, make([]byte, pieceBytes))
	return errors.Join(err, out.Close())
}
