package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/config"
)

func TestMergeJSONKeepsWhatTheBodyLeavesOut(t *testing.T) {
	cfg := defaults()
	cfg.Token, cfg.Server.Key = config.NewSecret("a"), config.NewSecret("b")
	before := cfg.Server.Origins
	set, faults := config.MergeJSON(&cfg, []byte(`{"token": "***", "limit": 5, "server": {"key": "c", "origins": ["http://z"]}, "labels": {"a": "b"}}`))
	if faults != nil {
		t.Fatal(faults)
	}
	if diff := cmp.Diff([]string{"labels", "limit", "server.key", "server.origins"}, set); diff != "" {
		t.Error(diff)
	}
	want := defaults()
	want.Token, want.Inline.Limit, want.Labels = config.NewSecret("a"), 5, map[string]string{"a": "b"}
	want.Server.Key, want.Server.Origins = config.NewSecret("c"), []string{"http://z"}
	if diff := cmp.Diff(want, cfg, compareAddr()); diff != "" {
		t.Error(diff)
	}
	if before[0] != "http://a" {
		t.Error("a list that a snapshot may still hold was written to")
	}
}

func TestMergeJSONListsEveryFault(t *testing.T) {
	for body, want := range map[string][]string{
		"":             {"the body is not valid JSON: it ends too early"},
		"null":         {"the body is nothing, not a JSON object"},
		"[1]":          {"the body is a list, not a JSON object"},
		"{} {}":        {"the body is not valid JSON: something follows the object"},
		`{"count": 1`:  {"the body is not valid JSON: it ends too early"},
		`{"Count": 1}`: {"Count: unknown key; known here: data_dir, token, labels, interval, server, limit, bind, ratio, count, fast"},
		`{"count": 1, "count": 2, "server": {"port": "80", "x": {"y": []}}, "limit": "1GiB", "fast": 1, "token": null}`: {
			"count: is there twice",
			"server.port: wants a whole number, not text",
			"server.x: unknown key; known here: port, log_level, origins, key",
			"limit: wants a whole number, not text",
			"fast: wants true or false, not a number",
			"token: has no value; leave it out to keep it as it is",
		},
		`{"server": null, "labels": ["a"], "count": 1.0, "data_dir": 1}`: {
			"server: wants a section with keys, not nothing",
			"labels: wants keys with values, not a list",
			"count: wants a whole number, not a number with a fraction",
			"data_dir: wants text, not a number; put it in quotes",
		},
	} {
		cfg := defaults()
		_, faults := config.MergeJSON(&cfg, []byte(body))
		var got []string
		for _, f := range faults {
			got = append(got, f.String())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
	}
}

func TestChanged(t *testing.T) {
	a, b := defaults(), defaults()
	a.Labels = nil // like an empty one
	if got := config.Changed(&a, &b); got != nil {
		t.Errorf("equal settings differ in %v", got)
	}
	b.Server.Key, b.Inline.Count, b.Server.Origins = config.NewSecret("x"), 9, []string{"http://b"}
	if diff := cmp.Diff([]string{"server.origins", "server.key", "count"}, config.Changed(&a, &b)); diff != "" {
		t.Error(diff)
	}
}

func TestSizesInJSONMayHaveUnitsWhereThatIsAskedFor(t *testing.T) {
	for body, want := range map[string]int64{`{"size": "64MiB"}`: 64 << 20, `{"size": 7}`: 7} {
		var c struct {
			Size config.Size `yaml:"size"`
		}
		if set, faults := config.MergeJSONWithUnits(&c, []byte(body)); len(faults) > 0 || len(set) != 1 || int64(c.Size) != want {
			t.Errorf("%s: %d, %v", body, c.Size, faults)
		}
	}
	var c struct {
		Size config.Size `yaml:"size"`
	}
	if _, faults := config.MergeJSONWithUnits(&c, []byte(`{"size": "much"}`)); len(faults) != 1 || faults[0].Field != "size" {
		t.Errorf("%v", faults)
	}
}
