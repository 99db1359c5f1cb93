package typescript

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shopPath is what the packages in testdata are imported by.
const shopPath = "example.com/shop"

func TestGenerate(t *testing.T) {
	got, err := Generate("testdata", shopPath, []Type{
		{Package: "shop", Name: "Order"},
		{Package: "shop", Name: "item", As: "OrderLine"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join("testdata", "order.ts"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWhatCannotBeDeclaredIsAnError(t *testing.T) {
	for name, want := range map[string]string{
		"Lasting":  "field For: a type of another module",
		"Foreign":  "embeds a type of another module",
		"Keyed":    "keys are no strings",
		"Quoted":   `the option "string"`,
		"Channel":  "has no JSON",
		"Generic":  "type parameters",
		"Custom":   "encodes itself",
		"Dangling": "wrong.Nowhere: there is no such type",
		"Thing":    "would both be Thing",
		"Embeds":   "is embedded and no struct",
	} {
		_, err := Generate("testdata", shopPath, []Type{{Package: "wrong", Name: name}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "wrong.") {
			t.Errorf("%s: %v, want an error that says %q", name, err, want)
		}
	}
	if _, err := Generate("testdata", shopPath, []Type{{Package: "nowhere", Name: "X"}}); err == nil {
		t.Error("a package that is not there is declared")
	}
}
