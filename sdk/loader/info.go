package loader

// Kind is what files are, as a whole.
type Kind string

// The kinds.
const (
	KindModel     Kind = "model"     // it runs by itself; it may have brought a projector or a draft
	KindProjector Kind = "projector" // of use beside a model
	KindAdapter   Kind = "adapter"   // of use on a model
)

// Capability is what a model can do. The names are Ollama's, but for Audio.
type Capability string

// The capabilities.
const (
	Completion Capability = "completion"
	Embedding  Capability = "embedding"
	Vision     Capability = "vision"
	Audio      Capability = "audio"
	Tools      Capability = "tools"
	Thinking   Capability = "thinking"
	Insert     Capability = "insert"
)

// Info is what a loader says of files: for people, for who decides where a model fits,
// and for [Loader.Plan], which sees nothing else of them. It can be kept as JSON.
type Info struct {
	Kind         Kind   `json:"kind"`
	Format       string `json:"format"`                 // such as gguf
	Architecture string `json:"architecture,omitempty"` // such as llama
	Name         string `json:"name,omitempty"`         // that the files give the model
	Parameters   int64  `json:"parameters,omitempty"`   // how many; 0 is unknown
	Quantization string `json:"quantization,omitempty"` // as Ollama calls it, such as Q4_K_M; "" is unknown
	WeightBytes  int64  `json:"weight_bytes,omitempty"` // of all tensors; 0 is unknown

	ContextTokens       int64 `json:"context_tokens,omitempty"`       // that it was trained for; 0 is unknown
	EmbeddingDimensions int64 `json:"embedding_dimensions,omitempty"` // 0 is unknown

	Template     string       `json:"template,omitempty"` // of a chat, as the files have it
	Capabilities []Capability `json:"capabilities,omitempty"`
	License      string       `json:"license,omitempty"`
	BaseModel    string       `json:"base_model,omitempty"` // what it was made of, or is for

	// Renderer, Parser and Requires are those of a recipe, where the files say them.
	Renderer string `json:"renderer,omitempty"`
	Parser   string `json:"parser,omitempty"`
	Requires string `json:"requires,omitempty"`

	// Notes are sentences for whoever wants to use the model: what will not work, and
	// what was taken for what.
	Notes []string `json:"notes,omitempty"`

	// Geometry is what an estimate of memory needs, by the roles of layers: what
	// gguf.Header.Condense makes of a header. What is missing can't be estimated.
	Geometry map[Role][]byte `json:"geometry,omitempty"`

	// Layers are what the files make up: what a recipe is made of. Texts among them are
	// what the files want to be said; what somebody wants takes their place.
	Layers []Layer `json:"layers"`
}
