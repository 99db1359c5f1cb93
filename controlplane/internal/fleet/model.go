package fleet

import (
	"crypto/sha256"
	"encoding/base32"
	"slices"
	"strings"
	"time"
)

// SplitDigest splits "name@sha256:abc…" into the name and the digest without
// its algorithm. The digest of a plain name is "".
func SplitDigest(ref string) (name, digest string) {
	name, digest, ok := strings.Cut(ref, "@sha256:")
	if !ok {
		return ref, ""
	}
	return name, digest
}

// modelIDEncoding makes ids that are safe in URLs and file names.
var modelIDEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// ModelIDPrefix is what every id of a model begins with.
const ModelIDPrefix = "m_"

// ModelID returns the id of the model with this name, however that is written.
// It is opaque, URL-safe and the same for as long as the name is.
func ModelID(name string) string {
	sum := sha256.Sum256([]byte(CanonicalModel(name)))
	return ModelIDPrefix + modelIDEncoding.EncodeToString(sum[:13])
}

// ModelStatus is what a model is good for over all hosts.
type ModelStatus string

// The statuses, in the order in which they apply.
const (
	ModelUploading   ModelStatus = "uploading"   // its files are on their way to the control plane, or into a storage
	ModelFailed      ModelStatus = "failed"      // nothing anywhere works; Problems say why
	ModelDeleting    ModelStatus = "deleting"    // it goes from the hosts, and its files will
	ModelLoaded      ModelStatus = "loaded"      // in memory somewhere
	ModelAvailable   ModelStatus = "available"   // ready on a host
	ModelDownloading ModelStatus = "downloading" // on its way to the first host
	ModelLoading     ModelStatus = "loading"     // there, and being made the first host's own
	ModelStored      ModelStatus = "stored"      // in a storage, on no host
)

// Model is one model of the fleet: one entry for each name.
type Model struct {
	ID          string      `json:"id"`
	Name        string      `json:"name"`
	Digest      string      `json:"digest"` // the one that a call without a digest goes to
	SizeBytes   int64       `json:"size"`
	Status      ModelStatus `json:"status"`
	Progress    *int        `json:"progress"`
	Description *string     `json:"description"`
	Conflict    bool        `json:"conflict"` // hosts disagree about the digest behind this name
	Digests     []string    `json:"digests"`
	Format      string      `json:"format,omitempty"`
	Family      string      `json:"family,omitempty"`
	Parameters  string      `json:"parameter_size,omitempty"`
	Quantized   string      `json:"quantization,omitempty"`
	ModifiedAt  time.Time   `json:"modified_at,omitzero"`
	Residencies []Residency `json:"residencies"`

	// The rest is of models of the catalogue.

	Files          []ModelFile       `json:"files,omitempty"`
	ParameterCount int64             `json:"parameter_count,omitempty"`
	ContextTokens  int64             `json:"context_tokens,omitempty"` // that it was trained for
	Capabilities   []string          `json:"capabilities,omitempty"`
	License        string            `json:"license,omitempty"`
	Notes          []string          `json:"notes,omitempty"`    // sentences: what will not work, what was taken for what
	Problems       []string          `json:"problems,omitempty"` // sentences: why it can't be used
	Pinned         bool              `json:"pinned,omitempty"`
	Labels         map[string]string `json:"labels,omitempty"`
	Aliases        []string          `json:"aliases,omitempty"`   // other names under which it is served
	WantedOn       []string          `json:"wanted_on,omitempty"` // ids of the hosts that are to have it
	DeletedAt      time.Time         `json:"deleted_at,omitzero"`
	PurgeAt        time.Time         `json:"purge_at,omitzero"` // when the files of a deleted one go
}

// Follow says of a model how far the operations on it are that have not ended.
func (m *Model) Follow(under []Operation) {
	var done, total int64
	for i := range under {
		o := &under[i]
		if o.Kind == DownloadOperation && m.Status == ModelStored && o.State == OperationRunning {
			m.Status = ModelDownloading
			if o.Phase != "" && o.Phase != "preparing" && o.Phase != "fetching" {
				m.Status = ModelLoading
			}
		}
		if o.Kind != DeleteOperation {
			done, total = done+o.DoneBytes, total+o.TotalBytes
		}
		if o.Error != "" {
			m.Problems = append(m.Problems, o.Error)
		}
	}
	if total > 0 {
		percent := int(min(99, 100*float64(done)/float64(total)))
		m.Progress = &percent
	}
}

// Residency is a model present on an instance.
type Residency struct {
	HostID        string      `json:"host_id"`
	Host          string      `json:"host"`
	Instance      string      `json:"instance"`
	Digest        string      `json:"digest"`
	Status        ModelStatus `json:"status"`
	SizeVRAMBytes int64       `json:"size_vram"`
	ExpiresAt     time.Time   `json:"expires_at,omitzero"` // zero unless loaded
}

// ModelsOf merges what the instances of online hosts hold into one list, by name.
func ModelsOf(hosts []HostView) []Model {
	byName := map[string]*merging{}
	var names []string
	for h := range hosts {
		host := &hosts[h]
		if !host.State.Reachable() {
			continue
		}
		for i := range host.Instances {
			instance := &host.Instances[i]
			for m := range instance.Models {
				have := &instance.Models[m]
				name := CanonicalModel(have.Name)
				model := byName[name]
				if model == nil {
					model = &merging{
						Model:    Model{ID: ModelID(name), Status: ModelAvailable},
						versions: map[string]*HostModel{},
					}
					byName[name] = model
					names = append(names, name)
				}
				model.add(name, host, instance, have)
			}
		}
	}
	slices.Sort(names)
	models := make([]Model, 0, len(names))
	for _, name := range names {
		byName[name].settle()
		models = append(models, byName[name].Model)
	}
	return models
}

// merging is a model in the making.
type merging struct {
	Model
	versions map[string]*HostModel // by digest, the one that was modified last
}

func (m *merging) add(name string, host *HostView, instance *Instance, have *HostModel) {
	r := Residency{HostID: host.ID, Host: host.Name, Instance: instance.Name, Digest: have.Digest, Status: ModelAvailable}
	if l, ok := instance.loaded(name, have.Digest); ok {
		r.Status, r.SizeVRAMBytes, r.ExpiresAt = ModelLoaded, l.SizeVRAMBytes, l.ExpiresAt
		m.Status = ModelLoaded
	}
	m.Residencies = append(m.Residencies, r)
	if latest := m.versions[have.Digest]; latest == nil || have.ModifiedAt.After(latest.ModifiedAt) {
		m.versions[have.Digest] = have
	}
}

// settle decides which digest the name stands for, and describes that one.
func (m *merging) settle() {
	votes := ballot{}
	for _, r := range m.Residencies {
		votes.add(r.Digest, r.HostID)
	}
	m.Digests = votes.ranked()
	m.Conflict = len(m.Digests) > 1
	m.Digest = m.Digests[0]
	have := m.versions[m.Digest]
	m.Name = ShownModel(have.Name)
	m.SizeBytes, m.ModifiedAt = have.SizeBytes, have.ModifiedAt
	m.Format, m.Family, m.Parameters, m.Quantized = have.Format, have.Family, have.ParameterSize, have.Quantization
}
