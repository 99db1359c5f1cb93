package plugins

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/storage"
)

// kind is what differs between instances of plugins of one kind and another.
type kind interface {
	// open opens an instance in a process.
	open(ctx context.Context, p process, c host.Configuration) (backend, error)
	// check returns nil where an instance would serve, else what one would get.
	check(ctx context.Context, b backend) error
	// prove sees whether an instance of a new version of the plugin serves.
	prove(ctx context.Context, b backend, readOnly bool) error
}

type storageKind struct{}

func (storageKind) open(ctx context.Context, p process, c host.Configuration) (backend, error) {
	b, err := p.Open(ctx, c)
	if err != nil { // a backend that is nil is none
		return nil, err
	}
	return b, nil
}

func (storageKind) check(ctx context.Context, b backend) error {
	return storage.CheckBackend(ctx, b.(storage.Backend))
}

func (storageKind) prove(ctx context.Context, in backend, readOnly bool) error {
	b := in.(storage.Backend)
	err := readCanary(ctx, b)
	if err == nil && !readOnly {
		err = writeCanary(ctx, b)
	}
	return err
}

type loaderKind struct{}

func (loaderKind) open(ctx context.Context, p process, c host.Configuration) (backend, error) {
	l, err := p.OpenLoader(ctx, c)
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (loaderKind) check(ctx context.Context, b backend) error { return b.(loaderBackend).Check(ctx) }

// prove has a loader say of a file that nobody knows that it does not know it.
func (loaderKind) prove(ctx context.Context, b backend, _ bool) error {
	head := []byte(rand.Text())
	guess, err := b.(loaderBackend).Probe(ctx, []loader.File{{Path: canaryKey(), SizeBytes: int64(len(head)), Head: head}})
	if err == nil && guess.Confidence == loader.Certain {
		return wrong("it is certain to know a file that nobody does")
	}
	return err
}

// canaryKey is where a trial of a new version writes, and what it asks for.
func canaryKey() string { return "corral-canary/" + rand.Text() }

// readCanary sees whether a backend tells what is not there, and lists.
func readCanary(ctx context.Context, b storage.Backend) error {
	if _, err := b.Stat(ctx, canaryKey()); fault.KindOf(err) != fault.NotFound {
		return errors.Join(err, wrong("it does not say that an object is not there"))
	}
	_, err := storage.ListPage(ctx, b, storage.PageRequest{Limit: 1})
	return err
}

// writeCanary sees whether a backend stores an object as it is.
func writeCanary(ctx context.Context, b storage.Backend) (err error) {
	key, want := canaryKey(), []byte(rand.Text())
	if err := b.Put(ctx, key, storage.Bytes(want)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Delete(ctx, key)) }()
	in, err := b.Get(ctx, key, storage.Range{})
	if fault.KindOf(err) == fault.NotFound {
		return wrong("it does not have what it has stored")
	}
	if err != nil {
		return err
	}
	got, err := io.ReadAll(in)
	if err = errors.Join(err, in.Close()); err == nil && !bytes.Equal(got, want) {
		return wrong("what it has stored is not what it was given")
	}
	return err
}

func wrong(what string) error {
	return fault.New(fault.Corrupt, "%s", fmt.Sprintf("the plugin is wrong: %s", what)).On(fault.Plugin)
}
