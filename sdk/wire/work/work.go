// Package work is what a control plane asks of the model worker on a host, and what that
// answers.
//
// A request is a POST to [Path] and the name of an instance, on a stream of the tunnel,
// with a [Job] as its JSON body. The answer is a stream of JSON lines, each an [Event],
// of which the last has Done or Failed. Closing the stream cancels the job. A job can be
// asked for again after any end: what it had fetched is still there.
package work

import (
	"encoding/json"
	"slices"

	"github.com/corral-fleet/corral/sdk/loader"
)

// Path is where an agent takes jobs; the name of the instance follows.
const Path = "/work/"

// Kind is what a job is about.
type Kind string

// The kinds.
const (
	// Load makes a model of a recipe, under the name that it is to have. One of that
	// name and digest that is there already is left as it is.
	Load Kind = "load"
	// Remove deletes a model, which is unloaded first. One that isn't there is no fault.
	Remove Kind = "remove"
	// Collect deletes what no model refers to.
	Collect Kind = "collect"
)

// Job is what is to be done.
type Job struct {
	ID    string `json:"id"`
	Kind  Kind   `json:"kind"`
	Model string `json:"model,omitempty"` // name:tag

	// The rest is of Load.
	Recipe *loader.Recipe `json:"recipe,omitempty"`
	// Sources of the files that the recipe names, by those names.
	Sources map[string]Source `json:"sources,omitempty"`
	// Peers have layers that are put together of several files, by the sha256 of such a layer:
	// other hosts that have it as a blob of their Ollama, or are getting it. They are tried
	// in turn before the files.
	Peers map[string][]Peer `json:"peers,omitempty"`
	// Replaces are the digests of models that this one may take the place of, under its
	// name. Any other that is there is somebody else's, and the job fails with conflict.
	Replaces []string `json:"replaces,omitempty"`
	// MaxBytesPerSecond that are fetched; 0 is no limit.
	MaxBytesPerSecond int64 `json:"max_bytes_per_second,omitempty"`
}

// Source is where a file comes from.
type Source struct {
	SizeBytes int64  `json:"size"`
	SHA256    string `json:"sha256,omitempty"` // in hexadecimal; empty is unknown
	// Path of the file on the host itself; used where it is there and has the size.
	Path string `json:"path,omitempty"`
	// Peers are other hosts that have it as a blob of their Ollama, or are getting it. They
	// are tried in turn before the URLs, for a file of which the sha256 is known.
	Peers []Peer `json:"peers,omitempty"`
	// URLs that serve it by ranges, tried in turn. One that begins with a slash is a
	// path of the control plane's. They are secrets: what they let somebody do needs no
	// other proof.
	URLs []string `json:"urls,omitempty"`
	// Plugin serves it where no URL does. It is tried last.
	Plugin *Plugin `json:"plugin,omitempty"`
}

// Peer is another host that has a file, by package peer.
type Peer struct {
	URL       string `json:"url"`        // with a ticket, for this host alone
	PublicKey []byte `json:"public_key"` // Ed25519, by which the other host is known
}

// Whole reports whether every layer with something of a file is all of it, and nothing
// else, of a model that Ollama doesn't have to make: a host that has the model then has the
// file as a blob.
func (j *Job) Whole(file string) bool {
	if j.Recipe == nil || j.Recipe.Converted() || j.Recipe.From != "" {
		return false
	}
	source, found := j.Sources[file], false
	for _, l := range j.Recipe.Layers {
		if !slices.ContainsFunc(l.Parts, func(p loader.Part) bool { return p.File == file }) {
			continue
		}
		if len(l.Parts) != 1 || l.Parts[0].OffsetBytes != 0 || l.SizeBytes != source.SizeBytes || l.SHA256 != "" && l.SHA256 != source.SHA256 {
			return false
		}
		found = true
	}
	return found && source.SHA256 != ""
}

// Assembled returns the sha256 of each layer that is put together of several files, or of a
// part of one, of a model that Ollama doesn't have to make: a host that has the model then
// has the layer as a blob.
func (j *Job) Assembled() []string {
	if j.Recipe == nil || j.Recipe.Converted() || j.Recipe.From != "" {
		return nil
	}
	var digests []string
	for _, l := range j.Recipe.Layers {
		ofFiles := slices.ContainsFunc(l.Parts, func(p loader.Part) bool { return p.File != "" })
		if l.SHA256 == "" || !ofFiles || len(l.Parts) == 1 && l.Parts[0].LengthBytes == j.Sources[l.Parts[0].File].SizeBytes {
			continue
		}
		digests = append(digests, l.SHA256)
	}
	return digests
}

// Plugin is a storage by its plugin, for a service that has no URLs to give away. The
// host runs the program that has this digest, and no other.
type Plugin struct {
	Name      string   `json:"name"`   // such as "fs"; for messages
	SHA256    string   `json:"sha256"` // of the program, in hexadecimal
	SizeBytes int64    `json:"size"`   // of the program
	URLs      []string `json:"urls"`   // of the program, as those of a [Source]

	Config        json.RawMessage   `json:"config"` // of the storage
	ConfigVersion int               `json:"config_version,omitempty"`
	Secrets       map[string]string `json:"secrets,omitempty"` // by their fields' names
	Key           string            `json:"key"`               // the file's
}

// Phase is what a job is doing.
type Phase string

// The phases, in the order in which they follow each other. A job may leave some out.
const (
	Preparing Phase = "preparing" // what is there, what fits
	Fetching  Phase = "fetching"  // bytes come from a source
	Importing Phase = "importing" // Ollama makes them its own
	Checking  Phase = "checking"  // the model is what was asked for
	Tidying   Phase = "tidying"   // what isn't needed any more goes
)

// Event is how far a job is.
type Event struct {
	Phase Phase `json:"phase,omitempty"`
	// DoneBytes of TotalBytes; the former never falls, and the latter is 0 while unknown.
	DoneBytes  int64  `json:"done_bytes,omitempty"`
	TotalBytes int64  `json:"total_bytes,omitempty"`
	Message    string `json:"message,omitempty"` // a sentence; may be empty

	Done   *Result  `json:"done,omitempty"`
	Failed *Failure `json:"failed,omitempty"`
}

// Result is what came of a job.
type Result struct {
	Digest     string `json:"digest,omitempty"` // of the model's manifest, as Ollama tells it
	SizeBytes  int64  `json:"size,omitempty"`
	Path       string `json:"path,omitempty"`        // the way into Ollama: place, pull or create
	FreedBytes int64  `json:"freed_bytes,omitempty"` // of Remove and Collect
}

// Failure is why a job ended without its result.
type Failure struct {
	Kind    string `json:"kind"`            // a kind of package fault
	Side    string `json:"side"`            // whose fault it was
	Message string `json:"message"`         // a sentence that a user may see
	Cause   string `json:"cause,omitempty"` // for the operator's log
	// Broke is that a program on the host broke down at the job: the worker ended before it
	// told an end, or the Ollama while it took the model in. It may do so each time.
	Broke bool `json:"broke,omitempty"`
}
