package loadertest

import (
	"bytes"
	"context"
	"io"
	"slices"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

// The formats of the corpus.
const (
	GGUF        = "gguf"
	Safetensors = "safetensors" // a folder with config.json, as of Hugging Face
	LoRA        = "lora"        // one with adapter_config.json
	Modelfile   = "modelfile"   // one with a Modelfile
	OllamaStore = "ollama"      // an archive of the folder of an Ollama's models
)

// Corpus returns files of the formats in which models are, good and bad, and of some in
// which they are not. Each is small, or takes no memory.
func Corpus() []Sample {
	return slices.Concat(ggufSamples(), hostileGGUFs(), safetensorsSamples(), loraSamples(), modelfileSamples(), storeSamples(), strangeSamples())
}

// of are files of bytes.
type of = map[string][]byte

func good(format, name string, files of) Sample {
	return Sample{Name: name, Format: format, Files: loader.Bytes(files)}
}

func bad(format, name string, files of, missing ...string) Sample {
	return Sample{Name: name, Format: format, Bad: name, Files: loader.Bytes(files), Missing: missing}
}

// sized is one file whose bytes are made while they are read.
type sized struct {
	path      string
	sizeBytes int64
	io.ReaderAt
}

func (s sized) List() []loader.File { return []loader.File{{Path: s.path, SizeBytes: s.sizeBytes}} }

func (s sized) ReadAt(ctx context.Context, path string, p []byte, offset int64) (int, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if path != s.path {
		return 0, fault.New(fault.NotFound, "there is no file %q", path)
	}
	return s.ReaderAt.ReadAt(p, offset)
}

// strangeSamples are what people have and no loader knows.
func strangeSamples() []Sample {
	pickle := append([]byte("\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01."), make([]byte, 60)...)
	zip := append([]byte("PK\x03\x04\x14\x00\x00\x00\x08\x00"), make([]byte, 60)...)
	return []Sample{
		good("", "nothing", of{"empty": {}}),
		good("", "a text", of{"README.md": []byte("# A model\n\nIt is not here.\n")}),
		good("", "a picture", of{"cat.png": []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")}),
		good("", "a program", of{"run": append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 60)...)}),
		good("", "a zip archive", of{"model.zip": zip}),
		good("", "a pickle of PyTorch", of{"pytorch_model.bin": pickle, "config.json": []byte(`{"architectures":["LlamaForCausalLM"]}`)}),
		good("", "a checkpoint of PyTorch", of{"consolidated.00.pth": zip, "params.json": []byte(`{"dim":4096}`)}),
		good("", "an ONNX", of{"model.onnx": []byte("\x08\x07\x12\x07pytorch")}),
		good("", "a format that came before GGUF", of{"ggml-model-q4_0.bin": append([]byte("tjgg\x03\x00\x00\x00"), make([]byte, 60)...)}),
		good("", "names that are long", of{string(bytes.Repeat([]byte("n"), 1000)): []byte("x")}),
	}
}
