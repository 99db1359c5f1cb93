package loadertest

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// kept are the files of an Ollama's folder that has a model.
func kept(name string, weights []byte) of {
	const image = "application/vnd.ollama.image."
	files := of{}
	descriptor := func(kind string, content []byte) string {
		sum := sha256.Sum256(content)
		files["blobs/sha256-"+hex.EncodeToString(sum[:])] = content
		return fmt.Sprintf(`{"mediaType":%q,"digest":"sha256:%x","size":%d}`, kind, sum, len(content))
	}
	layers := []string{
		descriptor(image+"model", weights), descriptor(image+"template", []byte("{{ .Prompt }}")), descriptor(image+"params", []byte(`{"stop":["###"]}`)),
	}
	config := descriptor("application/vnd.docker.container.image.v1+json", []byte(`{"model_format":"gguf","model_family":"llama"}`))
	files["manifests/registry.ollama.ai/library/"+name] = fmt.Appendf(nil, `{"schemaVersion":2,"config":%s,"layers":[%s]}`, config, strings.Join(layers, ","))
	return files
}

// tarred returns files in an archive, and links beside them.
func tarred(files of, links ...string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		must(w.WriteHeader(&tar.Header{Name: name, Size: int64(len(files[name])), Mode: 0o600}))
		_, err := w.Write(files[name])
		must(err)
	}
	for _, name := range links {
		must(w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}))
	}
	must(w.Close())
	return b.Bytes()
}

func zipped(files of, method uint16) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		one, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		must(err)
		_, err = one.Write(files[name])
		must(err)
	}
	must(w.Close())
	return b.Bytes()
}

// must is of what can't fail: writing to memory.
func must(err error) {
	if err != nil {
		panic("loadertest: " + err.Error())
	}
}

func storeSamples() []Sample {
	sound := kept("tiny/1b", llama().Bytes())
	with := func(name string, content []byte) of {
		files := maps.Clone(sound)
		files[name] = content
		return files
	}
	whole := tarred(sound)
	return []Sample{
		good(OllamaStore, "a tar of an Ollama's store", of{"store.tar": whole}),
		good(OllamaStore, "a zip of an Ollama's store", of{"store.zip": zipped(sound, zip.Store), "README.md": []byte("# Mine")}),
		bad(OllamaStore, "a tar of an Ollama's store that is cut off", of{"store.tar": whole[:len(whole)-3000]}),
		bad(OllamaStore, "a tar of an Ollama's store with a path that leads out", of{"store.tar": tarred(with("../../etc/cron.d/evil", []byte("x")))}),
		bad(OllamaStore, "a tar of an Ollama's store with a link", of{"store.tar": tarred(sound, "blobs/sha256-"+strings.Repeat("0", 64))}),
		bad(OllamaStore, "a tar of an Ollama's store of several models", of{"store.tar": tarred(with("manifests/registry.ollama.ai/library/other/1b", []byte("{}")))}),
		bad(OllamaStore, "a tar of an Ollama's store without weights", of{"store.tar": tarred(of{"manifests/registry.ollama.ai/library/tiny/1b": sound["manifests/registry.ollama.ai/library/tiny/1b"]})}),
		bad(OllamaStore, "a tar of an Ollama's store whose weights are none", of{"store.tar": tarred(kept("tiny/1b", []byte("<html>")))}),
		bad(OllamaStore, "a compressed zip of an Ollama's store", of{"store.zip": zipped(sound, zip.Deflate)}),
		bad(OllamaStore, "a compressed tar", of{"store.tar.gz": append([]byte("\x1f\x8b\x08"), make([]byte, 60)...)}),
	}
}
