package loader

import (
	"context"
	"encoding/json"
)

// Loader knows formats of models. Its methods may be called concurrently. They return
// soon after their context ends, with its error. What they return depends on nothing
// but what they are given.
type Loader interface {
	// Probe says what files are, by their names, sizes and beginnings: it is asked of
	// each loader that there is, and returns at once. That the files are nothing that it
	// knows is no error, and neither is that some are missing or damaged: whose they
	// would be is what is asked.
	Probe(ctx context.Context, files []File) (Guess, error)

	// Inspect reads the files as far as it has to and says what is in them. It is what
	// stands between a stranger's files and those who load them: files that are not what
	// they promise to be, or that nobody should load, are fault.Corrupt or fault.Invalid,
	// and where some are missing it is fault.NotFound. No file makes it panic, hang or
	// take more memory than [MaxReadBytes] and a little. An error of files is returned so
	// that errors.Is finds it.
	Inspect(ctx context.Context, files Files) (Info, error)

	// Plan says what a model is made of. What can't be done with such files is
	// fault.NotImplemented, what is no option fault.Invalid. The recipe's parts are of
	// files that the info names, and [Recipe.Check] returns nil for it.
	Plan(ctx context.Context, r Request) (Recipe, error)
}

// Bounds of what a loader is given and gives back.
const (
	// HeadBytes is how much of a file's beginning Probe is given, and MaxHeads of how
	// many files.
	HeadBytes = 64 << 10
	MaxHeads  = 16
	// MaxFiles is how many files a model may have.
	MaxFiles = 4096
	// MaxReadBytes is how much Inspect may read of all files together.
	MaxReadBytes = 64 << 20
	// MaxInlineBytes is how much may stand in an info or a recipe: texts and bytes.
	MaxInlineBytes = 3 << 20
)

// File is one of those that a model may be made of.
type File struct {
	Path      string // see [CheckPath]
	SizeBytes int64
	SHA256    string // of its bytes, in hexadecimal; "" is unknown
	// Head is how the file begins: [HeadBytes] of it, or all that it has. Only Probe is
	// given it, and of some files; nil is that it is not known.
	Head []byte
}

// Guess is what files seem to be.
type Guess struct {
	// Format that they seem to have, such as gguf; "" is that they are nothing that the
	// loader knows.
	Format string
	// Confidence is how sure that is, from 0, it can't be, to 100, nobody else can have
	// such files. Who is the surest gets them.
	Confidence int
	// Missing are files that have to be there as well, by their paths.
	Missing []string
	// Why is one sentence for whoever has the files.
	Why string
}

// How sure a loader is. What is between is for those that know better.
const (
	Impossible = 0
	Possible   = 25 // such as by a name
	Likely     = 75 // such as by a name and what stands beside it
	Certain    = 100
)

// Request is what a model is planned of.
type Request struct {
	Info    Info
	Options Options
	// Ollama is the oldest version that is to run the model, such as 0.17.4; "" is
	// unknown, and is taken for one that can. A recipe does not differ by it: what a
	// version can't do is fault.NotImplemented.
	Ollama string
}

// Options are what somebody wants of a model. The zero value is as the files have it.
type Options struct {
	Quantize   string          `json:"quantize,omitempty"`   // such as q4_K_M
	From       string          `json:"from,omitempty"`       // the model that it is based on
	Template   string          `json:"template,omitempty"`   // in place of the files' own, as Ollama writes it
	System     string          `json:"system,omitempty"`     // what the model is told first
	Parameters json.RawMessage `json:"parameters,omitempty"` // an object; beside those of the loader, and in their place
	Messages   json.RawMessage `json:"messages,omitempty"`   // an array
	Licenses   []string        `json:"licenses,omitempty"`   // in place of the files' own
	Renderer   string          `json:"renderer,omitempty"`
	Parser     string          `json:"parser,omitempty"`
	Requires   string          `json:"requires,omitempty"` // the version of Ollama from which on it runs, in place of the files' own
}
