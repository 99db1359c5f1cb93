package loader

import "encoding/json"

// Role is what a layer is to a model.
type Role string

// The roles. Those from RoleTemplate on are small, and stand in the recipe itself.
const (
	RoleModel     Role = "model"
	RoleProjector Role = "projector" // brings pictures or sound to the model
	RoleAdapter   Role = "adapter"   // a LoRA
	RoleDraft     Role = "draft"     // guesses ahead of the model

	RoleTemplate   Role = "template"
	RoleSystem     Role = "system"
	RoleParameters Role = "parameters" // a JSON object
	RoleMessages   Role = "messages"   // a JSON array
	RoleLicense    Role = "license"
	// RoleConfig is the model's configuration, a JSON object, as another Ollama has it to
	// the byte: in place of what a recipe says beside its layers. With it, and with all
	// layers as they are there and in that order, a model has the digest that it has there.
	RoleConfig Role = "config"
)

// Recipe says what a model in an Ollama is made of, and not how it gets there. It is a
// value: whoever has the files and the recipe makes the same model anywhere.
type Recipe struct {
	// Layers in the order of the model.
	Layers []Layer `json:"layers"`
	// From is the model that this one is based on, which has to be there; empty is none.
	From string `json:"from,omitempty"`
	// Quantize is what the weights are to be quantised to, such as "q4_K_M"; empty
	// leaves them as they are.
	Quantize string `json:"quantize,omitempty"`
	// Convert says that Ollama has to make its own format of the files first, as of
	// safetensors.
	Convert bool `json:"convert,omitempty"`
	// Renderer and Parser are built into Ollama and stand in for a template; Requires
	// is the version of Ollama from which on the model can be run.
	Renderer string `json:"renderer,omitempty"`
	Parser   string `json:"parser,omitempty"`
	Requires string `json:"requires,omitempty"`
	// Config is what the model's configuration says beside the digests of its layers:
	// model_format, model_family, model_families, model_type, file_type and the like,
	// under Ollama's names.
	Config json.RawMessage `json:"config,omitempty"`
}

// Layer is one part of a model.
type Layer struct {
	Role Role `json:"role"`
	// Name is that of the file for Ollama, relative and with its ending; needed where it
	// converts. It may be empty otherwise.
	Name string `json:"name,omitempty"`
	// Parts make up the bytes, one after the other.
	Parts []Part `json:"parts"`
	// SizeBytes is the length of all parts.
	SizeBytes int64 `json:"size"`
	// SHA256 of the layer, in hexadecimal; empty is unknown.
	SHA256 string `json:"sha256,omitempty"`
}

// Part is a range of a file, or bytes that stand in the recipe.
type Part struct {
	// File is one of the files that the model was planned of, by its path; empty is none.
	File        string `json:"file,omitempty"`
	OffsetBytes int64  `json:"offset,omitempty"`
	LengthBytes int64  `json:"length"`
	// Inline are the bytes, where no file has them.
	Inline []byte `json:"inline,omitempty"`
}

// Converted reports whether only Ollama can make the model: what it will be made of
// isn't known before.
func (r *Recipe) Converted() bool { return r.Convert || r.Quantize != "" }
