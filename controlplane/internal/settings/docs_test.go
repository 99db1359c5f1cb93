package settings_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/corral-fleet/corral/controlplane/internal/settings"
	"github.com/corral-fleet/corral/sdk/config"
)

const (
	example = "../../../configs/controlplane.example.yaml"
	page    = "../../../docs/settings.md"
)

func TestTheExampleHasEveryFieldWithItsDefault(t *testing.T) {
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	settings.BindFlags(flags)
	if err := flags.Parse([]string{"--config", example}); err != nil {
		t.Fatal(err)
	}
	loaded, err := settings.Load(nil, flags)
	if err != nil {
		t.Fatal(err)
	}
	want := settings.Default()
	if changed := config.Changed(&want, &loaded.Config); changed != nil {
		t.Errorf("the example differs from the defaults in %v", changed)
	}
	for _, f := range config.Fields(&want) {
		if loaded.Origins.Of(f.Path).Layer != config.File {
			t.Errorf("the example lacks %s", f.Path)
		}
	}
}

func TestThePageHasEveryFieldWithItsDefault(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	type row struct{ Field, Default, Live string }
	var got, want []row
	line := regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| (.+?) \\| .+ \\| (yes|restart) \\|$")
	for _, match := range line.FindAllStringSubmatch(string(text), -1) {
		got = append(got, row{match[1], strings.Trim(match[2], "`"), match[3]})
	}
	restart := map[string]bool{
		"server.host": true, "server.port": true,
		"monitoring.prometheus_port": true, "monitoring.tracing_enabled": true,
	}
	cfg := settings.Default()
	for _, f := range append(config.Fields(&cfg.App), config.Fields(&cfg)[:5]...) {
		live := "yes"
		if restart[f.Path] || !strings.Contains(f.Path, ".") {
			live = "restart"
		}
		want = append(want, row{f.Path, documented(t, f.Value()), live})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/settings.md differs from the settings:\n%s", diff)
	}
}

// documented is a value as the page writes it: JSON, but text without quotes.
func documented(t *testing.T, value any) string {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Trim(string(encoded), `"`); text != "" && text[0] != '[' {
		return text
	}
	return string(encoded)
}

// Storages are more than a flag can hold.
func TestEveryFieldHasHelpAndAFlagUnlessItIsSecret(t *testing.T) {
	cfg := settings.Default()
	for _, f := range config.Fields(&cfg) {
		if f.Help == "" {
			t.Errorf("%s has no help", f.Path)
		}
		if (f.Flag == "") != (f.Secret || f.Path == "storages") {
			t.Errorf("%s has the flag %q", f.Path, f.Flag)
		}
	}
}

// The names and types that existing dashboards were written to.
func TestTheJSONOfTheDefaults(t *testing.T) {
	app := settings.DefaultApp()
	app.Security.JWTSecret = config.NewSecret(strings.Repeat("s", 32))
	got, err := json.Marshal(&app)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"server":{"host":"0.0.0.0","port":11435,"max_connections":10000,"timeout":30,"log_level":"info","cors_origins":["http://localhost:3000"]},` +
		`"models":{"max_model_size":0,"cache_size":0,"fetch_rate":0,"send_rate":0,"quantization_enabled":true,"gpu_enabled":true,"batch_size":0,"max_tokens":0},` +
		`"security":{"api_key_required":true,"anonymous_role":"operator","allowed_ips":[],"rate_limit":0,"jwt_secret":"***","require_tls":false},` +
		`"monitoring":{"metrics_enabled":true,"prometheus_port":0,"tracing_enabled":false,"log_retention":14,"captures":false},` +
		`"routing":{"queue_length":1024,"queue_timeout":600,"request_timeout":0,"breaker_failures":5,"breaker_ratio":0.5,"breaker_pause":2,"retries":2,"retry_share":0.2},` +
		`"fleet":{"dead_after":600}}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}
