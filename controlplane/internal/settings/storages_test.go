package settings_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/settings"
)

func TestStoragesOfTheFile(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := start(t, `storages:
  - name: models
    plugin: s3
    config: {bucket: b, part: {size: 8}}
    config_version: 2
    secrets: {key: k}
    secret_files: {secret_key: `+secret+`}
  - {name: disk, plugin: fs}
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	entries, setIn := loaded.StorageEntries()
	want := []settings.StorageEntry{
		{
			Name: "models", Plugin: "s3", Config: []byte(`{"bucket":"b","part":{"size":8}}`), ConfigVersion: 2,
			Secrets: map[string]string{"key": "k", "secret_key": "from a file"}, SecretFiles: map[string]string{"secret_key": secret},
		},
		{Name: "disk", Plugin: "fs", Config: []byte("{}")},
	}
	if diff := cmp.Diff(want, entries); diff != "" {
		t.Error(diff)
	}
	if len(setIn) != 2 || !strings.HasSuffix(setIn[1], "c.yaml:8") {
		t.Errorf("they are set in %v", setIn)
	}
}

func TestStoragesOfTheFileThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		"{name: A, plugin: fs}":                                                  `1: storages[0]: name: "A" is not 1 to 63 lower case letters, digits and dashes`,
		"{name: a}":                                                              "1: storages[0]: plugin: has to name one, such as fs",
		"{name: a, plugin: fs, confg: {}}":                                       `1: storages[0]: unknown field "confg"`,
		"{name: a, plugin: fs, config_version: -1}":                              "1: storages[0]: config_version: has to be 1 or above",
		"{name: a, plugin: fs, config: [1]}":                                     "1: storages[0]: config: wants a section with keys",
		"{name: a, plugin: fs, secrets: {k: 1}}":                                 "1: storages[0]: secrets can't be a number",
		"{name: a, plugin: fs}, {name: a, plugin: fs}":                           `1: storages[1]: the name "a" is there twice`,
		"{name: a, plugin: fs, secret_files: {k: /nowhere}}":                     "1: storages[0]: secret_files.k: open /nowhere: no such file or directory",
		"{name: a, plugin: fs, secrets: {k: x}, secret_files: {k: /etc/passwd}}": "1: storages[0]: secret_files.k: is among the secrets as well",
	} {
		if _, err := start(t, "storages: ["+text+"]", nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\ngot  %v\nwant %s", text, err, want)
		}
	}
}
