package wire_test

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/wire"
)

var update = flag.Bool("update", false, "rewrite the golden frames")

// TestGoldenFrames pins the bytes of each frame, so that a change of the
// protocol is seen as one in review.
func TestGoldenFrames(t *testing.T) {
	frames := examples()
	for i := range schemaFrames().Len() {
		name := string(schemaFrames().Get(i).Name())
		t.Run(name, func(t *testing.T) {
			f, ok := frames[name]
			if !ok {
				t.Fatal("the schema has this frame and examples does not")
			}
			b := wire.AppendFrame(nil, f)
			path := filepath.Join("testdata", fmt.Sprintf("v%d", wire.Version), name+".hex")
			if *update {
				if err := os.WriteFile(path, hexLines(b), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("%v (go test ./wire -update writes it)", err)
			}
			if diff := cmp.Diff(string(golden), string(hexLines(b))); diff != "" {
				t.Errorf("other bytes than the golden frame's (-golden +got):\n%s", diff)
			}
		})
	}
}

// TestGoldenFramesAreRead reads what every version so far has sent.
func TestGoldenFramesAreRead(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("testdata", "v*", "*.hex"))
	if err != nil {
		t.Fatal(err)
	}
	if want := schemaFrames().Len(); len(paths) < want {
		t.Fatalf("%d golden frames, want at least the %d of this version", len(paths), want)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		f, err := wire.DecodeFrame(b)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if filepath.Base(filepath.Dir(path)) != fmt.Sprintf("v%d", wire.Version) {
			continue
		}
		want := examples()[strings.TrimSuffix(filepath.Base(path), ".hex")]
		if diff := cmp.Diff(want, f, sameFloat); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// hexLines writes bytes as text of 32 bytes a line.
func hexLines(b []byte) []byte {
	const perLine = 32
	var out []byte
	for len(b) > 0 {
		n := min(perLine, len(b))
		out = hex.AppendEncode(out, b[:n])
		out = append(out, '\n')
		b = b[n:]
	}
	return out
}
