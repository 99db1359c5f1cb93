package ollamaapi

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

// Maker makes models of the catalogue of files that have come.
type Maker interface {
	// Check says why nothing can be made of a parcel.
	Check(p models.Parcel) error
	// Make takes a parcel, whose files are the maker's from then on. What becomes of it
	// the operations tell.
	Make(p models.Parcel) error
}

// creation is what somebody wants of a model that is to be made.
type creation struct {
	named

	From       string            `json:"from"`
	Files      map[string]string `json:"files"`    // digests by names
	Adapters   map[string]string `json:"adapters"` // as Files
	Quantize   string            `json:"quantize"`
	Quantized  string            `json:"quantization"` // where older clients put it
	Template   string            `json:"template"`
	System     string            `json:"system"`
	License    json.RawMessage   `json:"license"` // a string or several
	Parameters json.RawMessage   `json:"parameters"`
	Messages   json.RawMessage   `json:"messages"`
	Renderer   string            `json:"renderer"`
	Parser     string            `json:"parser"`
	Requires   string            `json:"requires"`
	Info       json.RawMessage   `json:"info"`
}

// beneath returns the name of the model of which a request makes one alone.
func beneath(raw []byte) string {
	var want creation
	if json.Unmarshal(raw, &want) != nil || len(want.Files)+len(want.Adapters) > 0 {
		return ""
	}
	return want.From
}

// create makes a model: of files, which becomes one of the catalogue, or of another model,
// on the hosts that have that.
func (a *API) create(ctx context.Context, req *edge.Request, hosts []fleet.HostView) (*edge.Response, error) {
	e := creating()
	raw, err := bodyOf(req)
	if err != nil {
		return nil, err
	}
	var want creation
	if refused := e.Decode(raw, &want); refused != nil {
		return refused, nil
	}
	for name := range want.Files {
		if !fs.ValidPath(name) {
			return e.Refuse(400, "file path must be relative"), nil
		}
	}
	if !fleet.ValidModel(want.model()) {
		return e.Refuse(400, invalidName), nil
	}
	switch {
	case len(want.Files)+len(want.Adapters) > 0:
		return answer(ctx, want.streams(), func(ctx context.Context, tell func(report)) error {
			return a.createOfFiles(ctx, &want, hosts, tell)
		})
	case want.From == "":
		return plain(400, wrong{"neither 'from' or 'files' was specified"})
	}
	asked := want.From
	want.From = a.view.Aliases().Of(asked)
	if err := a.maker.Check(models.Parcel{Name: want.model(), Quantize: want.quantize()}); err != nil {
		return nil, err
	}
	return answer(ctx, want.streams(), func(ctx context.Context, tell func(report)) error {
		call := fleet.Call{Method: req.Method, Path: e.Path, Fields: relay.Fields(req), Body: raw}
		return a.createOfModel(ctx, &want, asked, call, hosts, tell)
	})
}

func (c *creation) quantize() string { return cmp.Or(c.Quantize, c.Quantized) }

// createOfModel has every host that has the model beneath make the new one of it. Where
// none has it, one of them gets it: from the catalogue or, as an Ollama does it by itself,
// from where it comes from. asked is what the caller calls the model beneath.
func (a *API) createOfModel(ctx context.Context, want *creation, asked string, call fleet.Call, hosts []fleet.HostView, tell func(report)) error {
	if len(placesOf(hosts, want.From)) == 0 && a.stored(want.From) {
		if err := a.bring(ctx, want.From, tell); err != nil {
			return err
		}
		hosts = slices.DeleteFunc(a.view.Hosts(), func(h fleet.HostView) bool { return !h.State.Reachable() })
	}
	places, err := a.placesFor(hosts, want.From)
	if err != nil {
		return err
	}
	// What a model is made of an Ollama finds by its very name alone, in its very case.
	bodyAt := func(at place) ([]byte, error) {
		if fleet.ShownModel(asked) == fleet.ShownModel(at.name) {
			return call.Body, nil
		}
		return renamed(call.Body, "from", at.name)
	}
	if err := a.natively(ctx, fmt.Sprintf("creating model %q", want.model()), places, call, bodyAt, tell); err != nil {
		return err
	}
	return a.agree(ctx, want.model(), places)
}

// createOfFiles makes a model of the catalogue and tells how far it is until a host has
// it.
func (a *API) createOfFiles(ctx context.Context, want *creation, hosts []fleet.HostView, tell func(report)) error {
	p, err := a.parcel(want, hosts)
	if err == nil {
		err = a.maker.Check(p)
	}
	if err != nil {
		return err
	}
	if err := a.lend(&p); err != nil {
		return err
	}
	since := a.now()
	if err := a.maker.Make(p); err != nil {
		giveBack(&p)
		return err
	}
	f := a.onTheWay(p.Name, tell)
	largest := slices.MaxFunc(p.Files, func(x, y models.ParcelFile) int { return cmp.Compare(x.SizeBytes, y.SizeBytes) })
	f.digest = largest.SHA256
	return a.follow(ctx, f, since, func() (bool, error) {
		if !f.stored() {
			return false, nil
		}
		for _, file := range p.Files { // which the catalogue has from now on
			if err := a.blobs.Remove(file.SHA256); err != nil {
				return false, err
			}
		}
		m, err := a.catalogue.Stored(p.Name)
		if err != nil {
			return false, err
		}
		return m.Digest != "" && slices.ContainsFunc(a.view.Hosts(), func(h fleet.HostView) bool {
			return h.State.Reachable() && a.holdsOn(h.ID, p.Name, m.Digest)
		}), nil
	})
}

// stored reports whether the files of the model are in a storage.
func (f *onTheWay) stored() bool {
	for _, o := range f.operations {
		if o.Kind == fleet.StoreOperation && o.State == fleet.OperationDone {
			return true
		}
	}
	return false
}

// parcel returns the files of a model and what it is to be, without paths. Where it is
// based on another, the hosts that have that get it, or else one that gets that first.
func (a *API) parcel(want *creation, hosts []fleet.HostView) (models.Parcel, error) {
	p := models.Parcel{Name: want.model(), Quantize: want.quantize(), Hosts: []string{}}
	var err error
	if p.Options, err = want.options(); err != nil {
		return p, err
	}
	for _, name := range slices.Sorted(maps.Keys(want.Files)) {
		if err := a.add(&p, name, want.Files[name]); err != nil {
			return p, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want.Adapters)) {
		digest := want.Adapters[name]
		if _, taken := want.Files[name]; taken {
			name = path.Join("adapters", name)
		}
		if err := a.add(&p, name, digest); err != nil {
			return p, err
		}
	}
	if want.From == "" {
		return p, nil
	}
	base := a.view.Aliases().Of(want.From)
	for _, at := range placesOf(hosts, base) {
		p.Hosts = append(p.Hosts, at.HostID)
	}
	if len(p.Hosts) == 0 && !a.stored(base) {
		return p, &refused{404, fmt.Sprintf("model %q, which the adapter is for, is neither on a host nor in the catalogue: pull it first", want.From)}
	}
	return p, nil
}

// add adds a file that is here to a parcel.
func (a *API) add(p *models.Parcel, name, digest string) error {
	sum, ok := hexOf(digest)
	if !ok {
		return &refused{400, invalidDigest}
	}
	if err := loader.CheckPath(name); err != nil {
		return err
	}
	size, err := a.sizeOf(sum)
	if fault.KindOf(err) == fault.NotFound {
		return &refused{400, fmt.Sprintf("blob %q not found", digest)}
	}
	p.Files = append(p.Files, models.ParcelFile{Path: name, SizeBytes: size, SHA256: sum})
	return err
}

// lend gives a parcel the files that the catalogue hasn't got yet.
func (a *API) lend(p *models.Parcel) error {
	for i := range p.Files {
		f := &p.Files[i]
		if _, err := a.catalogue.Known("", f.SHA256); err == nil {
			continue
		}
		var err error
		if f.Local, err = a.blobs.Lend(f.SHA256); err != nil {
			f.Local = ""
			giveBack(p)
			return err
		}
	}
	return nil
}

// giveBack removes what was lent to a parcel that nobody takes.
func giveBack(p *models.Parcel) {
	for _, f := range p.Files {
		if f.Local != "" {
			_ = os.Remove(f.Local) // else it goes with the next start
		}
	}
}

// options returns what is wanted beside the files.
func (c *creation) options() (loader.Options, error) {
	o := loader.Options{
		From: c.From, Template: c.Template, System: c.System, Parameters: c.Parameters, Messages: c.Messages,
		Renderer: c.Renderer, Parser: c.Parser, Requires: c.Requires,
	}
	if len(c.Info) > 0 && string(c.Info) != "null" {
		// It says otherwise of files what they say of themselves, by which the fleet
		// decides where a model fits and what it can do.
		return o, fault.New(fault.NotImplemented, "%s is left to one host: here it is the files that say what a model is; name the host by ?host=NAME or by the header field %s", "info", TargetField).On(fault.Caller)
	}
	for _, field := range []*json.RawMessage{&o.Parameters, &o.Messages} {
		if string(*field) == "null" {
			*field = nil
		}
	}
	if len(c.License) == 0 || json.Unmarshal(c.License, &o.Licenses) == nil {
		return o, nil
	}
	var one string
	if err := json.Unmarshal(c.License, &one); err != nil {
		return o, &refused{400, "a license is text, or several of them"}
	}
	if one != "" {
		o.Licenses = []string{one}
	}
	return o, nil
}
