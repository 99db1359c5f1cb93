package ollamaapi

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// bring has hosts get a model of the catalogue, and tells how far they are until they
// have it: those that are to have it anyway, or else the one that it fits best.
func (a *API) bring(ctx context.Context, model string, tell func(report)) error {
	since := a.now()
	where := models.Where{}
	for _, id := range a.catalogue.WantedOn(model) {
		if host, err := a.view.Find(id); err == nil && host.State.Reachable() {
			where.Hosts = append(where.Hosts, id)
		}
	}
	hosts, err := a.catalogue.Want(ctx, model, where)
	if err != nil {
		return err
	}
	tell(report{Status: statuses[work.Preparing]})
	f := a.onTheWay(model, tell)
	return a.follow(ctx, f, since, func() (bool, error) {
		m, err := a.catalogue.Stored(model)
		if err != nil {
			return false, err
		}
		arrived := func(h fleet.HostView) bool { return a.holdsOn(h.ID, model, m.Digest) }
		return m.Digest != "" && !slices.ContainsFunc(hosts, func(h fleet.HostView) bool { return !arrived(h) }), nil
	})
}

// now returns the version of the operations at this moment.
func (a *API) now() uint64 {
	_, version, _ := a.operations.Since(math.MaxUint64)
	return version
}

// holdsOn reports whether any instance of a host tells of a model.
func (a *API) holdsOn(hostID, model, digest string) bool {
	host, err := a.view.Find(hostID)
	if err != nil {
		return false
	}
	for i := range host.Instances {
		at := fleet.Target{HostID: hostID, Instance: host.Instances[i].Name}
		if holds, _ := a.holds(at, model, digest); holds {
			return true
		}
	}
	return false
}

// onTheWay is a model that is on its way to hosts.
type onTheWay struct {
	model  string
	digest string // of its largest file, which stands for all of them
	tell   func(report)

	operations map[string]fleet.Operation // by their ids
	said       map[string]bool            // what has been told in words
	told       report                     // of its bytes, last
}

func (a *API) onTheWay(model string, tell func(report)) *onTheWay {
	f := &onTheWay{model: model, tell: tell, operations: map[string]fleet.Operation{}, said: map[string]bool{}}
	if m, err := a.catalogue.Stored(model); err == nil {
		f.digest = largest(m.Files)
	}
	return f
}

func largest(files []fleet.ModelFile) string {
	if len(files) == 0 {
		return ""
	}
	return slices.MaxFunc(files, func(x, y fleet.ModelFile) int { return cmp.Compare(x.SizeBytes, y.SizeBytes) }).SHA256
}

// follow tells of the operations on a model that have changed since then, until it has
// arrived or nobody brings it any more.
func (a *API) follow(ctx context.Context, f *onTheWay, since uint64, arrived func() (bool, error)) error {
	for {
		hosts, catalogue := a.view.Changed(), a.catalogue.Changed()
		moved := a.catchUp(f, &since)
		if done, err := arrived(); done || err != nil {
			a.catchUp(f, &since) // what it took until it had arrived
			return err
		}
		if err := f.failed(); err != nil {
			return err
		}
		select {
		case <-moved:
		case <-hosts:
		case <-catalogue:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// catchUp tells of the operations that have changed since then, and returns a channel that
// is closed at the next change.
func (a *API) catchUp(f *onTheWay, since *uint64) <-chan struct{} {
	changes, version, moved := a.operations.Since(*since)
	*since = version
	for i := range changes {
		f.hear(&changes[i])
	}
	f.sum()
	return moved
}

// statuses are what Ollama calls what hosts do, where it has a word for it.
var statuses = map[work.Phase]string{
	work.Preparing: "pulling manifest",
	work.Importing: "importing",
	work.Checking:  "verifying sha256 digest",
	work.Tidying:   "removing unused layers",
	"storing":      "storing",
	"inspecting":   "parsing the files",
}

// hear takes an operation in that has changed.
func (f *onTheWay) hear(o *fleet.Operation) {
	if !fleet.SameModel(o.Model, f.model) || o.Kind != fleet.StoreOperation && o.Kind != fleet.DownloadOperation {
		return
	}
	if o.Away() { // nobody who pulls waits for that
		delete(f.operations, o.ID)
		return
	}
	f.operations[o.ID] = *o
	if status := statuses[work.Phase(o.Phase)]; status != "" {
		f.say(status)
	}
	if o.State == fleet.OperationWaiting && o.Error != "" {
		f.say(fmt.Sprintf("%s; it is tried again", why(o)))
	}
}

// say tells something in words, once.
func (f *onTheWay) say(status string) {
	if !f.said[status] {
		f.said[status] = true
		f.tell(report{Status: status})
	}
}

// why returns why an operation failed.
func why(o *fleet.Operation) string {
	reason := cmp.Or(o.Error, "somebody cancelled it")
	if o.Host == "" {
		return reason
	}
	return fmt.Sprintf("host %q: %s", o.Host, reason)
}

// sum tells how many bytes have come to the hosts together.
func (f *onTheWay) sum() {
	if f.digest == "" {
		return
	}
	r := report{Status: "pulling " + short(f.digest), Digest: "sha256:" + f.digest}
	for _, o := range f.operations {
		if o.Kind == fleet.DownloadOperation {
			r.Total += o.TotalBytes
			r.Completed += o.DoneBytes
		}
	}
	if r.Total >= f.told.Total && r.Completed >= f.told.Completed && r != f.told && r.Completed > 0 {
		f.told = r
		f.tell(r)
	}
}

// shortDigest is how many characters of a digest Ollama shows.
const shortDigest = 12

func short(digest string) string { return digest[:min(len(digest), shortDigest)] }

// failed returns why nobody brings the model any more.
func (f *onTheWay) failed() error {
	var failed *fleet.Operation
	for _, o := range f.operations {
		switch {
		case !o.State.Ended():
			return nil
		case o.State != fleet.OperationDone:
			failed = &o
		}
	}
	if failed == nil {
		return nil
	}
	return &refused{500, why(failed)}
}
