package models

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"golang.org/x/mod/semver"

	"github.com/corral-fleet/corral/agent/internal/models/api"
	"github.com/corral-fleet/corral/agent/internal/models/registry"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// maxTextBytes bounds a small layer, which is sent within a request.
const maxTextBytes = 8 << 20

// abandonTime is how long a job that has failed may still take.
const abandonTime = 3 * time.Second

// create uploads the files to Ollama and has it create the model. What digest that has,
// only Ollama knows.
func (e *Executor) create(ctx context.Context, job *work.Job, layers []*layer, version string) (*work.Result, error) {
	if base := job.Recipe.From; base != "" {
		if found, err := e.find(ctx, base); err != nil || found == nil {
			// Ollama would look for it elsewhere, and perhaps find another.
			return nil, orFault(err, fault.New(fault.NotFound, "the model is based on %q, which this host doesn't have", base))
		}
	}
	if _, err := e.replaces(ctx, job); err != nil {
		return nil, err
	}
	request, files, err := creationOf(ctx, job.Recipe, layers)
	if err != nil {
		return nil, err
	}
	request.Model = registry.NewName()
	if err := e.checkCreateRoom(ctx, job.Recipe, files, version); err != nil {
		return nil, err
	}
	uploaded, err := e.upload(ctx, files)
	if err != nil {
		return nil, err
	}
	e.progress.enter(work.Importing, "")
	err = e.ask(ctx, request)
	if err != nil {
		e.abandon(ctx, request.Model)
		return nil, err
	}
	made, err := e.checkCreated(ctx, request.Model, job.Recipe)
	if err != nil {
		e.abandon(ctx, request.Model)
		return nil, err
	}
	if err := e.rename(ctx, request.Model, job, made.Digest); err != nil {
		e.abandon(ctx, request.Model)
		return nil, err
	}
	return &work.Result{Digest: made.Digest, SizeBytes: made.Size, Path: wayCreate, FreedBytes: e.drop(uploaded)}, nil
}

// ask has Ollama create the model. Ollama sometimes breaks off what it tells of that, and
// goes on or has done it: it is asked once more where the model isn't there.
func (e *Executor) ask(ctx context.Context, request *api.Creation) error {
	tell := func(p api.Progress) { e.progress.enter(work.Importing, p.Status) }
	err := e.ollama.Create(ctx, request, tell)
	if fault.KindOf(err) != fault.Unavailable || ctx.Err() != nil {
		return err
	}
	e.log.Warn("ollama broke off while it created a model", "error", err)
	switch found, findErr := e.find(ctx, request.Model); {
	case findErr != nil:
		return err // it isn't there any more, and this is how that began
	case found != nil:
		return nil
	}
	return e.ollama.Create(ctx, request, tell)
}

// creationOf puts the request together, and returns the layers that are files of it.
func creationOf(ctx context.Context, recipe *loader.Recipe, layers []*layer) (r *api.Creation, files []*layer, err error) {
	r = &api.Creation{
		From: recipe.From, Quantize: recipe.Quantize, Renderer: recipe.Renderer, Parser: recipe.Parser, Requires: recipe.Requires,
		Files: map[string]string{}, Adapters: map[string]string{}, DraftFiles: map[string]string{},
	}
	for i, l := range layers {
		to := map[loader.Role]map[string]string{
			loader.RoleModel: r.Files, loader.RoleProjector: r.Files, loader.RoleAdapter: r.Adapters, loader.RoleDraft: r.DraftFiles,
		}[l.Role]
		if to != nil {
			name := l.Name
			if name == "" {
				name = fmt.Sprintf("%s-%d.gguf", l.Role, i)
			}
			if !filepath.IsLocal(name) || to[name] != "" {
				return nil, nil, fault.New(fault.Invalid, "a file of the recipe cannot be called %q", name)
			}
			to[name] = l.digest()
			files = append(files, l)
			continue
		}
		if l.Role == loader.RoleConfig { // Ollama writes its own
			continue
		}
		text, err := l.text(ctx)
		if err != nil {
			return nil, nil, err
		}
		switch l.Role {
		case loader.RoleTemplate:
			r.Template = string(text)
		case loader.RoleSystem:
			r.System = string(text)
		case loader.RoleLicense:
			r.License = append(r.License, string(text))
		case loader.RoleParameters:
			err = json.Unmarshal(text, &r.Parameters)
		case loader.RoleMessages:
			err = json.Unmarshal(text, &r.Messages)
		default:
			return nil, nil, fault.New(fault.NotImplemented, "this agent does not know layers that are a %q; a newer one may", l.Role)
		}
		if err != nil {
			return nil, nil, fault.Wrap(fault.Invalid, err, "the %s layer of the recipe is not JSON as Ollama's", l.Role)
		}
	}
	return r, files, nil
}

// text is a small layer.
func (l *layer) text(ctx context.Context) ([]byte, error) {
	if l.SizeBytes() > maxTextBytes {
		return nil, fault.New(fault.TooLarge, "the %s layer of the recipe is over %d bytes", l.Role, maxTextBytes)
	}
	body, err := l.Open(ctx, 0, l.SizeBytes())
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}

// checkCreateRoom says whether the files and what Ollama makes of them fit on the disk.
func (e *Executor) checkCreateRoom(ctx context.Context, recipe *loader.Recipe, files []*layer, version string) error {
	var missing, all int64
	for _, l := range files {
		there, err := e.ollama.HasBlob(ctx, l.digest())
		if err != nil {
			return err
		}
		if !there {
			missing += l.SizeBytes()
		}
		all += l.SizeBytes()
	}
	if !semver.IsValid(version) {
		version = "v99.0.0" // somebody's own; those of today take more
	}
	return e.checkRoom(missing+createBytes(recipe, all, version), "making the model")
}

// upload brings the files to Ollama and returns the digests of those that it didn't have.
func (e *Executor) upload(ctx context.Context, files []*layer) (uploaded []string, err error) {
	e.progress.enter(work.Fetching, "")
	for _, l := range files {
		there, err := e.ollama.HasBlob(ctx, l.digest())
		if err != nil {
			return uploaded, err
		}
		if there {
			e.progress.add(l.SizeBytes())
			continue
		}
		body, err := l.Open(ctx, 0, l.SizeBytes())
		if err != nil {
			return uploaded, err
		}
		from := &noted{Reader: &counting{body, e.progress.add}}
		err = e.ollama.Upload(ctx, l.digest(), from, l.SizeBytes())
		body.Close()
		if from.err != nil {
			err = from.err // else it was Ollama
		}
		if err != nil {
			return uploaded, err
		}
		uploaded = append(uploaded, l.SHA256)
	}
	return uploaded, nil
}

// noted notes an error of reading.
type noted struct {
	io.Reader
	err error
}

// Read implements [io.Reader].
func (n *noted) Read(p []byte) (int, error) {
	m, err := n.Reader.Read(p)
	if err != nil && err != io.EOF {
		n.err = err
	}
	return m, err
}

// checkCreated says whether Ollama understands what it has made, and returns how it
// lists it.
func (e *Executor) checkCreated(ctx context.Context, name string, recipe *loader.Recipe) (*api.Model, error) {
	e.progress.enter(work.Checking, "")
	models, err := e.ollama.Models(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range models {
		if m.Name != name {
			continue
		}
		shown, err := e.ollama.Show(ctx, name)
		if err != nil {
			return nil, fault.Wrap(fault.Corrupt, err, "Ollama on this host made the model and cannot read it").On(fault.Ollama)
		}
		return &m, judge(shown, recipe)
	}
	return nil, fault.New(fault.Corrupt, "Ollama on this host says that it made the model, and doesn't list it").On(fault.Ollama)
}

// abandon takes away what was made in vain, as far as it was.
func (e *Executor) abandon(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTime)
	defer cancel()
	if err := e.ollama.Delete(ctx, name); err != nil && fault.KindOf(err) != fault.NotFound {
		e.log.Warn("a model that was made in vain is left", "error", err)
	}
}

// drop deletes files that Ollama took in and made others of, where that is up to us.
func (e *Executor) drop(digests []string) (freedBytes int64) {
	if !e.mayTidy() {
		return 0
	}
	freed, err := e.store.Drop(digests)
	if err != nil {
		e.log.Warn("files that the model was made of are left", "error", err)
	}
	return freed
}

func orFault(err error, otherwise *fault.Error) error {
	if err != nil {
		return err
	}
	return otherwise
}
