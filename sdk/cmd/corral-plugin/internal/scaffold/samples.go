package scaffold

import (
	"os"
	"path/filepath"

	"github.com/corral-fleet/corral/sdk/gguf"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
)

// writeSamples writes the files that a new loader is tried on: a model behind the line
// that its format begins with, and what is none.
func (p *Plugin) writeSamples() error {
	model := gguftest.New("llama").Set("general.name", "Small").Set("llama.block_count", uint32(1)).Set("llama.embedding_length", uint32(64)).Set("llama.attention.head_count", uint32(4)).
		Tensor("token_embd.weight", gguf.F16, 64, 8).Tensor("blk.0.attn_q.weight", gguf.F16, 64, 64).Bytes()
	good := append([]byte(p.Name+"\n"), model...)
	for folder, content := range map[string][]byte{
		"good/small": good, "bad/cut-off": good[:len(good)-100], "bad/another-format": []byte("<html>404</html>\n"), "bad/empty": {},
	} {
		dir := filepath.Join(p.Dir, "testdata", filepath.FromSlash(folder))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "model."+p.Name), content, 0o644); err != nil { //nolint:gosec // others read it
			return err
		}
	}
	return nil
}
