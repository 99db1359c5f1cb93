package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// StoredModel is a model of the catalogue: its files are in a storage once, for any
// host. Its id is [ModelID] of its name.
type StoredModel struct {
	Name        string // as [ShownModel] has it
	Description string
	Files       []ModelFile
	// Loader is the name of the plugin that knows what the files are, and Info what it
	// said of them; both empty until it was asked.
	Loader string
	Info   json.RawMessage
	// Quantize is what hosts are to quantise the weights to; empty leaves them.
	Quantize string
	// Options are what else somebody wants of it beside what its files say, such as
	// another template, as loaders take them in JSON; empty is nothing.
	Options json.RawMessage
	// Digest is what hosts have this model under, without its algorithm; empty until
	// the first of them has made it.
	Digest string
	// OtherDigests are what further hosts have made of the same files, where their
	// Ollamas make other models of them than the first.
	OtherDigests []string
	Pinned       bool
	Labels       map[string]string
	// Aliases are other names under which the fleet serves it, as [ShownModel] has them. No
	// two models have one in common.
	Aliases []string
	// Problem is why the model can't be used; empty where it can.
	Problem string
	// Everywhere says that every host is to have it, also those that are yet to join.
	Everywhere bool
	// DeletedAt is when somebody deleted it; zero is never. It goes from the hosts at
	// once, and its files when they have lain there for as long as they may be wanted
	// back.
	DeletedAt time.Time
	// PurgeAt is when the files of a deleted one go.
	PurgeAt   time.Time
	CreatedAt time.Time
	ChangedAt time.Time
}

// Is reports whether a digest is what a host has made of the model.
func (m *StoredModel) Is(digest string) bool {
	return digest != "" && (digest == m.Digest || slices.Contains(m.OtherDigests, digest))
}

// SizeBytes returns how much the files are together.
func (m *StoredModel) SizeBytes() int64 {
	var sum int64
	for _, f := range m.Files {
		sum += f.SizeBytes
	}
	return sum
}

// ModelFile is a file of a model, and where it is.
type ModelFile struct {
	Path      string `json:"path"` // what whoever brought it calls it; relative
	Storage   string `json:"storage"`
	Key       string `json:"key"` // in the storage
	SizeBytes int64  `json:"size"`
	SHA256    string `json:"sha256"` // in hexadecimal; empty is unknown
	// Borrowed is that it was in the storage before, and stays there when the model goes.
	Borrowed bool `json:"borrowed,omitempty"`
}

// Placement is that a host is to have a model, or not to have it any more.
type Placement struct {
	Model    string // its canonical name
	HostID   string
	Instance string
	Wanted   bool // false until the host has let go of it
	// Cached is that the placement chose this host, and nobody else: the model may go from
	// there again to make room.
	Cached bool
	// Digest is what was put there, without its algorithm; empty until something was. A
	// model of this name with another digest is somebody else's.
	Digest string
	Since  time.Time
}

// ErrBroke is part of an error where a program broke down at what it was given: a loader, a
// host's worker or its Ollama ended over a model, or hung. With the same it may do so each
// time, and what is around it has no part in that, as far as anybody knows.
var ErrBroke = errors.New("a program broke down at this")

// CatalogueStore keeps the catalogue, and which hosts are to have what of it. Models go
// by their canonical names.
type CatalogueStore interface {
	// SaveModel stores models, all or none: each is new, or replaces all but CreatedAt of
	// the one of its name.
	SaveModel(ctx context.Context, models ...StoredModel) error
	// StoredModels returns all models, by name.
	StoredModels(ctx context.Context) ([]StoredModel, error)
	// RemoveModel forgets a model and its placements; one that is not there is
	// fault.NotFound.
	RemoveModel(ctx context.Context, name string) error
	// Place stores placements, in the place of those of the same model and instance.
	Place(ctx context.Context, placements []Placement) error
	// Placements returns all placements, by model and host.
	Placements(ctx context.Context) ([]Placement, error)
	// Unplace forgets placements. Those that aren't there are no fault.
	Unplace(ctx context.Context, placements []Placement) error
}
