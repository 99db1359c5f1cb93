package config_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/corral-fleet/corral/sdk/config"
)

const hush = "correct-horse-battery"

func TestNothingPrintsASecret(t *testing.T) {
	type holder struct {
		Shown  config.Secret
		hidden config.Secret
	}
	s := config.NewSecret(hush)
	h := holder{Shown: s, hidden: s}
	inJSON, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	inYAML, err := yaml.Marshal(map[string]any{"a": s, "b": h})
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	printed := []string{string(inJSON), string(inYAML), string(text), s.String(), s.GoString(), fmt.Sprint(h, &h, s, &s, []any{s})}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		printed = append(printed, fmt.Sprintf(verb, s), fmt.Sprintf(verb, h), fmt.Sprintf(verb, []config.Secret{s}))
	}
	for _, out := range printed {
		if strings.Contains(out, hush) || strings.Contains(out, fmt.Sprintf("%x", hush)) {
			t.Errorf("shows the secret: %s", out)
		}
	}
	if string(inJSON) != `{"Shown":"***"}` {
		t.Errorf("JSON is %s", inJSON)
	}
	if empty, _ := json.Marshal(config.Secret{}); string(empty) != `""` {
		t.Errorf("JSON of an empty secret is %s", empty)
	}
	if got := fmt.Sprintf("%v|%#v", s, s); got != `[redacted]|config.Secret("[redacted]")` {
		t.Error(got)
	}
	if s.Reveal() != hush || !s.IsSet() || (config.Secret{}).IsSet() {
		t.Error("the secret does not keep its text")
	}
	if !s.Equal(config.NewSecret(hush)) || s.Equal(config.Secret{}) {
		t.Error("Equal compares something else than the texts")
	}
}

func TestSecretsComeFromFilesAndCredentials(t *testing.T) {
	dir := t.TempDir()
	named := write(t, filepath.Join(dir, "named"), hush+"\n")
	empty := write(t, filepath.Join(dir, "empty"), "\n")
	credential := write(t, filepath.Join(dir, "server.key"), hush+"-2\r\n")

	cfg, origins, err := load(t, "token: from-the-file", []string{"X_TOKEN_FILE=" + named, "CREDENTIALS_DIRECTORY=" + dir})
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Token.Reveal(); got != hush {
		t.Errorf("token is %q", got)
	}
	if got := cfg.Server.Key.Reveal(); got != hush+"-2" {
		t.Errorf("key is %q", got)
	}
	if origins.Of("token").String() != "X_TOKEN_FILE" || origins.Of("server.key").Source != credential || !origins.Of("server.key").Pinned() {
		t.Errorf("origins are %v", origins)
	}

	_, _, err = load(t, "", []string{"X_TOKEN=" + hush, "X_TOKEN_FILE=" + named, "X_SERVER_KEY_FILE=" + empty})
	want := "X_SERVER_KEY_FILE: server.key: " + empty + ": the file holds no secret\nX_TOKEN_FILE: token: is set by X_TOKEN already"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}

	_, _, err = load(t, "server:\n  key: 12345678901234567890\ntoken: ["+hush+"]\n", nil)
	if err == nil || strings.Contains(err.Error(), "1234567890") || strings.Contains(err.Error(), hush) {
		t.Errorf("a fault shows the secret, or there is none: %v", err)
	}
}
