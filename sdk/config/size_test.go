package config_test

import (
	"encoding/json"
	"testing"

	"github.com/corral-fleet/corral/sdk/config"
)

func TestSizes(t *testing.T) {
	for text, want := range map[string]config.Size{
		"0": 0, "1": 1, "12B": 12, "1kB": 1000, "1KiB": 1024, "500MB": 5e8, "20GiB": 20 << 30, "3 TiB": 3 << 40, "-1": -1,
	} {
		got, err := config.ParseSize(text)
		if err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", text, got, err, want)
		}
		if again, err := config.ParseSize(got.String()); err != nil || again != got {
			t.Errorf("%q printed as %q is read as %d, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", "GiB", "1.5GiB", "1Gi", "9223372036854775808", "9223372036854775807KiB", "-9223372036854775807kB", "0x1"} {
		if got, err := config.ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", text, got)
		}
	}
	if inJSON, err := json.Marshal(config.Size(1 << 30)); err != nil || string(inJSON) != "1073741824" {
		t.Errorf("JSON is %s, %v, want a plain number", inJSON, err)
	}
}
