package config

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// fuzzed has one field of every kind, without secrets, so that what is
// rendered can be read again.
type fuzzed struct {
	Text    string            `yaml:"text"`
	Count   int               `yaml:"count"`
	Ratio   float64           `yaml:"ratio"`
	Fast    bool              `yaml:"fast"`
	Wait    time.Duration     `yaml:"wait"`
	Limit   Size              `yaml:"limit"`
	List    []string          `yaml:"list"`
	Numbers []int             `yaml:"numbers"`
	Labels  map[string]string `yaml:"labels"`
	Section struct {
		Inner string `yaml:"inner"`
	} `yaml:"section"`
}

// FuzzDecodeFile feeds files from strangers: none may panic or hang, and what
// is taken without a fault has to survive being rendered and read again.
func FuzzDecodeFile(f *testing.F) {
	for _, seed := range []string{
		"", "---\n", "...\n", "# c\n", "text: a\ncount: 1\n", "list: [a, 'b', \"c\"]\nnumbers:\n  - 1\n  - -2\n",
		"section:\n  inner: |\n    x\n    y\n", "labels: {a: b, '': '', \"\\t\": \"\\0\"}\n", "wait: 1h\nlimit: 20GiB\n",
		"a: &x [*x]\n", "<<: {text: a}\n", "? text\n: a\n", "text: !!str 1\n", "ratio: 1e300\nfast: TRUE\n",
		"text: \"\\u0085\\u2028\\ud800\"\n", "\xff\xfet\x00", "\xef\xbb\xbftext: x\n", strings.Repeat("[", 100), "text: ~\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var first, second fuzzed
		origins, faults := decodeFile(&first, "f", data)
		if faults != nil {
			for _, one := range faults {
				if one.Message == "" {
					t.Errorf("a fault without a message in %q", data)
				}
			}
			return
		}
		var out bytes.Buffer
		if err := Render(&out, &first, origins); err != nil {
			t.Fatalf("render: %v", err)
		}
		if _, faults := decodeFile(&second, "f", out.Bytes()); faults != nil {
			t.Fatalf("%q rendered as %q is refused: %v", data, out.Bytes(), faults)
		}
		if changed := Changed(&first, &second); changed != nil {
			t.Errorf("%q rendered as %q loses %v", data, out.Bytes(), changed)
		}
	})
}

// FuzzMergeJSON feeds bodies from strangers: none may panic, and a path that is
// said to be set has to be one of a field.
func FuzzMergeJSON(f *testing.F) {
	for _, seed := range []string{
		"", "null", "{}", "[]", `{"text":"a","count":1}`, `{"count":1e9,"ratio":-0}`, `{"section":{"inner":"***"}}`,
		`{"list":["a"],"numbers":[1,2],"labels":{"a":"b"}}`, `{"text":"\ud800"}`, `{"a":1,"a":2}`, strings.Repeat("[", 100), `{"a"`, `{} 1`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var cfg fuzzed
		known := map[string]bool{}
		for _, field := range Fields(&cfg) {
			known[field.Path] = true
		}
		set, faults := MergeJSON(&cfg, body)
		for _, path := range set {
			if !known[path] {
				t.Errorf("%q sets %q, which is no field", body, path)
			}
		}
		if faults == nil && len(set) == 0 && len(Changed(&cfg, &fuzzed{})) > 0 {
			t.Errorf("%q changes fields without saying so", body)
		}
	})
}

func TestFaultsWithoutEndAreCutShort(t *testing.T) {
	var cfg fuzzed
	_, found := decodeFile(&cfg, "f", []byte(strings.Repeat("a:\n", 1000)))
	lines := strings.Split((&Faults{List: found}).Error(), "\n")
	if len(lines) != maxShown+1 || lines[maxShown] != "and 950 more" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}
