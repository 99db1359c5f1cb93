package standin

import (
	"bytes"
	"time"
)

const (
	digest  = `"digest":"dc0dabe93fe18116d461711a42915013dedb6255ecc0b7fb3181ad3213dd5a8e"`
	names   = `"name":"` + Model + `","model":"` + Model + `"`
	details = `"details":{"parent_model":"","format":"gguf","family":"llama","families":["llama"],"parameter_size":"1.34M","quantization_level":"F16"}`
	changed = `"modified_at":"2026-01-01T00:00:00Z"`
)

// What the stand-in says of itself and of its model; never written to.
var (
	versionBody = []byte(`{"version":"0.17.4"}`)
	tagsBody    = []byte(`{"models":[{` + names + `,` + changed + `,"size":2693323,` + digest + `,` + details + `}]}`)
	showBody    = []byte(`{"modelfile":"FROM ` + Model + `\n","parameters":"num_thread                     1",` +
		`"template":"{{ .Prompt }}",` + details + `,"model_info":{"general.architecture":"llama","general.file_type":1,` +
		`"general.parameter_count":1341184,"llama.attention.head_count":4,"llama.attention.head_count_kv":2,` +
		`"llama.block_count":2,"llama.context_length":4096,"llama.embedding_length":256},` +
		`"tensors":[{"name":"token_embd.weight","type":"F16","shape":[256,313]}],` +
		`"capabilities":["completion"],` + changed + `}`)
)

// psBody says that the model is in memory, and stays there for five minutes.
func psBody(now time.Time) []byte {
	var b bytes.Buffer
	b.WriteString(`{"models":[{` + names + `,"size":6718976,` + digest + `,` + details + `,"expires_at":"`)
	b.Write(now.Add(5*time.Minute).UTC().AppendFormat(b.AvailableBuffer(), time.RFC3339Nano))
	b.WriteString(`","size_vram":0,"context_length":4096}]}`)
	return b.Bytes()
}
