package models

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/corral-fleet/corral/agent/internal/models/api"
	"github.com/corral-fleet/corral/agent/internal/models/registry"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// Ollama goes on for a while with a download that nobody wants any more: it sleeps
// between its tries for up to 32 s. Who asks for the same blob meanwhile shares its end.
const (
	lastedOut = 45 * time.Second
	askAgain  = 500 * time.Millisecond
)

// pull has Ollama pull the model from a registry of its own, and gives it its name.
func (e *Executor) pull(ctx context.Context, job *work.Job, img *image) error {
	passing, err := e.pullAs(ctx, img)
	if err != nil {
		return err
	}
	e.progress.enter(work.Checking, "")
	err = e.check(ctx, passing, img)
	if err == nil {
		err = e.rename(ctx, passing, job, img.digest)
	}
	if err != nil && ctx.Err() == nil { // else it is whole, and waits for another try
		e.abandon(ctx, passing)
	}
	return err
}

// pullAs pulls the model and returns the name under which it is there.
func (e *Executor) pullAs(ctx context.Context, img *image) (name string, err error) {
	missing, err := e.missingBytes(ctx, img)
	if err != nil {
		return "", err
	}
	if err := e.checkRoom(missing-e.partialBytes(img), "the model"); err != nil {
		return "", err
	}
	e.uploadSmall(ctx, img)
	e.progress.enter(work.Fetching, "")
	anew := false
	for began := time.Now(); ; {
		name, r, err := e.pullOnce(ctx, img)
		refused, ok := errors.AsType[*api.RefusalError](err)
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case !ok:
			return name, err
		case contains(refused.Message, "context canceled") && time.Since(began) < lastedOut:
			if err := pause(ctx, askAgain); err != nil {
				return "", err
			}
		case contains(refused.Message, mismatch) && img.distrust():
			e.log.Warn("what other hosts had of the model is not what it should be; it is fetched anew, and not from them")
		case contains(refused.Message, mismatch) && r.ServedBytes() < missing && !anew:
			// What an earlier pull had left was not of the model. It is gone now.
			e.log.Warn("what was fetched earlier is another file's; it is fetched anew")
			anew = true
		case e.dropBroken(img):
			e.log.Warn("Ollama can't go on with what it had of the model, since it was killed; it is fetched anew", "error", refused)
		case fault.KindOf(storeFault(refused)) == fault.Unavailable && (!r.Asked() || r.ServedBytes() == 0 && missing > 0):
			return "", notPulledError{storeFault(refused)}
		default:
			return "", storeFault(refused)
		}
	}
}

// notPulledError is that this Ollama can't or won't pull from here, as one in a
// container of its own, or one that wants something else of a registry.
type notPulledError struct{ error }

func (e notPulledError) Unwrap() error { return e.error }

// partialBytes is how much of the disk unfinished downloads of the model have taken.
func (e *Executor) partialBytes(img *image) (n int64) {
	if e.store == nil {
		return 0
	}
	for digest := range img.Blobs {
		n += e.store.PartialBytes(strings.TrimPrefix(digest, "sha256:"))
	}
	return n
}

// dropBroken deletes what Ollama has fetched of the model and can't go on with, and reports
// whether there was any. Ollama has just refused to pull the model, so that no download of
// it is under way.
func (e *Executor) dropBroken(img *image) (dropped bool) {
	if !e.mayTidy() {
		return false
	}
	for digest := range img.Blobs {
		broken, err := e.store.DropBroken(strings.TrimPrefix(digest, "sha256:"))
		if err != nil {
			e.log.Warn("what Ollama can't go on with is left", "error", err)
		}
		dropped = dropped || broken
	}
	return dropped
}

// smallBytes is what a blob has at most that is uploaded rather than pulled.
const smallBytes = 1 << 20

// uploadSmall gives Ollama what stands in the recipe: it looks only once a second whether
// a download is done, also when that has a few bytes. What can't be given is pulled.
func (e *Executor) uploadSmall(ctx context.Context, img *image) {
	for digest, blob := range img.Blobs {
		if l, ok := blob.(*layer); ok && l.ofFiles() || blob.SizeBytes() > smallBytes {
			continue
		}
		if err := e.uploadBlob(ctx, digest, blob); err != nil && ctx.Err() == nil {
			e.log.Warn("a small part of the model is pulled: it can't be uploaded", "error", err)
		}
	}
}

func (e *Executor) uploadBlob(ctx context.Context, digest string, blob registry.Blob) error {
	if there, err := e.ollama.HasBlob(ctx, digest); err != nil || there {
		return err
	}
	body, err := blob.Open(ctx, 0, blob.SizeBytes())
	if err != nil {
		return err
	}
	defer body.Close()
	return e.ollama.Upload(ctx, digest, body, blob.SizeBytes())
}

// missingBytes is how much of the model isn't in Ollama's store.
func (e *Executor) missingBytes(ctx context.Context, img *image) (int64, error) {
	var missing int64
	for digest, blob := range img.Blobs {
		there, err := e.ollama.HasBlob(ctx, digest)
		if err != nil {
			return 0, err
		}
		if !there {
			missing += blob.SizeBytes()
		}
	}
	return missing, nil
}

// sourceError is what a pull is broken off with when its source has failed for good.
type sourceError struct{ error }

func (e sourceError) Unwrap() error { return e.error }

// pullOnce pulls the model, and returns its name meanwhile and the registry, which has
// ended.
func (e *Executor) pullOnce(ctx context.Context, img *image) (name string, r *registry.Registry, err error) {
	pulling, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, err = registry.New(ctx, img.Content, func(err error) { cancel(sourceError{err}) })
	if err != nil {
		return "", nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- r.Run(pulling) }()
	done := map[string]int64{} // by digest
	err = e.ollama.Pull(pulling, r.Name(), func(p api.Progress) {
		switch {
		case p.Digest != "":
			done[p.Digest] = max(done[p.Digest], p.Completed)
			var all int64
			for _, n := range done {
				all += n
			}
			e.progress.reach(all)
		case p.Status != "pulling manifest":
			e.progress.enter(work.Importing, p.Status)
		}
	})
	if source, failed := errors.AsType[sourceError](context.Cause(pulling)); failed {
		err = source.error
	}
	cancel(nil)
	if served := <-ended; err == nil {
		err = served
	}
	return r.Name(), r, err
}

// mismatch is Ollama's word for bytes that are not those of their digest.
const mismatch = "digest mismatch"

// storeFault says in a sentence why Ollama didn't take in what it was given.
func storeFault(refused *api.RefusalError) error {
	switch {
	case contains(refused.Message, mismatch):
		return fault.Wrap(fault.Corrupt, refused, "what came from the source is not the model: its bytes have another sha256").On(fault.Service)
	case contains(refused.Message, "no space left on device", "disk quota exceeded"):
		return fault.Wrap(fault.NoSpace, refused, "the disk of Ollama's models on this host is full").On(fault.Host)
	}
	kind := fault.Unavailable
	switch {
	case contains(refused.Message, "unsupported", "not supported", "no longer supported", "only supported for", "unknown type", "unknown data type", "MLX runtime is not available"):
		kind = fault.NotImplemented
	case refused.Status == http.StatusBadRequest:
		kind = fault.Invalid
	}
	return fault.Wrap(kind, refused, "Ollama on this host did not take the model in: %s", refused.Message).On(fault.Ollama)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
