package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/config"
)

func TestRenderShowsOriginsAndHidesSecrets(t *testing.T) {
	cfg, origins, err := load(t, "server:\n  port: 8080\n  key: hush\nlabels:\n  rack: \"12\"\n", []string{"X_LIMIT=1GiB"}, "--interval=90s")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := config.Render(&out, &cfg, origins); err != nil {
		t.Fatal(err)
	}
	want := `data_dir: /var/lib/x # default
token: "" # default
labels: # x.yaml:4
  rack: "12"
interval: 1m30s # --interval
server:
  port: 8080 # x.yaml:2
  log_level: info # default
  origins: ['http://a'] # default
  key: '[redacted]' # x.yaml:3
limit: 1GiB # X_LIMIT
bind: 127.0.0.1 # default
ratio: 0.5 # default
count: 3 # default
fast: false # default
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsRenderedLoadsAgain(t *testing.T) {
	file := "data_dir: \"12: {x} # y\"\nlabels: {\"a b\": \"yes\", \"~\": \"\", \"n\": \"line\\nline\"}\nserver:\n  origins: []\nlimit: 0\n"
	first, origins, err := load(t, file, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := config.Render(&out, &first, origins); err != nil {
		t.Fatal(err)
	}
	second, _, err := load(t, out.String(), nil)
	if err != nil {
		t.Fatalf("%v in\n%s", err, out.String())
	}
	first.Derived, second.Derived = "", ""
	if diff := cmp.Diff(first, second, compareAddr()); diff != "" {
		t.Errorf("%s in\n%s", diff, out.String())
	}
}
