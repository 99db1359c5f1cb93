package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/sdk/config"
)

type withObjects struct {
	Name  string         `yaml:"name" help:"a name"`
	Parts config.Objects `yaml:"parts" help:"those of others"`
}

func loadObjects(t *testing.T, text string, environ ...string) (withObjects, config.Origins, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var cfg withObjects
	origins, err := config.Load(&cfg, config.Source{Prefix: "X", Environ: append(environ, "X_CONFIG="+path)})
	return cfg, origins, err
}

func TestObjectsKeepWhatTheyAreAndWhereTheyStand(t *testing.T) {
	cfg, origins, err := loadObjects(t, `name: n
parts:
  - {name: a, size: 12345678901234567890, hex: 0x10, ratio: 1.5, on: true, "off": null, list: [1, "2", {x: y}]}

  - name: b
    secrets: {key: k}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"hex":16,"list":[1,"2",{"x":"y"}],"name":"a","off":null,"on":true,"ratio":1.5,"size":12345678901234567890}`
	if len(cfg.Parts) != 2 || string(cfg.Parts[0].JSON) != want || cfg.Parts[1].Line != 5 {
		t.Errorf("%+v", cfg.Parts)
	}
	if at := cfg.Parts[1].Origin(origins.Of("parts")).String(); !strings.HasSuffix(at, "c.yaml:5") {
		t.Errorf("the second stands in %s", at)
	}
	var shown bytes.Buffer
	if err := config.Render(&shown, &cfg, origins); err != nil || strings.Contains(shown.String(), "key: k") || !strings.Contains(shown.String(), "key: '[redacted]'") {
		t.Errorf("shown is %v\n%s", err, shown.String())
	}
	cfg.Parts = cfg.Parts[:1]
	shown.Reset()
	if err := config.Render(&shown, &cfg, nil); err != nil {
		t.Fatal(err)
	}
	again, _, err := loadObjects(t, shown.String())
	if err != nil || string(again.Parts[0].JSON) != want {
		t.Errorf("what is shown is not the same again: %v\n%s", err, shown.String())
	}
}

func TestObjectsOfAnotherShapeAreFaults(t *testing.T) {
	for text, want := range map[string]string{
		"parts: {a: b}":              "parts: wants a list, not a section",
		"parts: [a]":                 "parts[0]: wants a section with keys, not text",
		"parts: [{a: 1, a: 2}]":      "parts[0].a: is there twice",
		"parts: [{a: .inf}]":         "parts[0]: can't be understood",
		"parts: [{a: {b: [&x 1]}}]":  "anchors and aliases are not allowed",
		"parts: [{a: !!binary abc}]": "the tag !!binary is not allowed",
	} {
		if _, _, err := loadObjects(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, _, err := loadObjects(t, "name: n", "X_PARTS=a"); err == nil || !strings.Contains(err.Error(), "X_PARTS: unknown variable") {
		t.Errorf("a variable: %v", err)
	}
}
