package loadertest

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/corral-fleet/corral/sdk/loader"
)

// probe asks the loader what a sample is, which has to work.
func (t *trial) probe(s Sample, files []loader.File) loader.Guess {
	g, err := t.Probe(t.ctx, files)
	if err != nil {
		t.fatalf("Probe of %s: %v", s.Name, err)
	}
	return g
}

var probeChecks = []Check{
	{ID: "LD-PROBE-001", Sentence: "That the files are nothing that the loader knows is no error: the format is empty and the confidence 0.", try: func(t *trial) {
		for _, s := range t.samples {
			if s.Format != "" {
				continue
			}
			if g := t.probe(s, s.heads(t)); g.Format != "" || g.Confidence != loader.Impossible {
				t.errorf("it takes %s for %q, with a confidence of %d", s.Name, g.Format, g.Confidence)
			}
		}
	}},
	{ID: "LD-PROBE-002", Sentence: "What is good and of its format is taken for it, with a confidence of 75 at least, and nothing is missing.", try: func(t *trial) {
		for _, s := range t.own(false) {
			if g := t.probe(s, s.heads(t)); g.Confidence < loader.Likely || len(g.Missing) > 0 {
				t.errorf("%s: the confidence is %d, and %q are missing", s.Name, g.Confidence, g.Missing)
			}
		}
	}},
	{ID: "LD-PROBE-003", Sentence: "A confidence is from 0 to 100, and 0 just where there is no format; a sentence says why.", try: func(t *trial) {
		for _, s := range t.samples {
			g := t.probe(s, s.heads(t))
			if g.Confidence < loader.Impossible || g.Confidence > loader.Certain || (g.Confidence == loader.Impossible) != (g.Format == "") {
				t.errorf("%s: the confidence is %d of %q", s.Name, g.Confidence, g.Format)
			}
			if !isSentence(g.Why) {
				t.errorf("%s: why is %q", s.Name, g.Why)
			}
		}
	}},
	{ID: "LD-PROBE-004", Sentence: "Files that have to be there as well are told by their paths.", try: func(t *trial) {
		for _, s := range t.own(true) {
			g := t.probe(s, s.heads(t))
			if diff := difference(s.Missing, g.Missing); len(s.Missing) > 0 && diff != "" {
				t.errorf("%s: %s", s.Name, diff)
			}
			for _, path := range g.Missing {
				if err := loader.CheckPath(path); err != nil {
					t.errorf("%s: %v", s.Name, err)
				}
			}
		}
	}},
	{ID: "LD-PROBE-005", Sentence: "Probe returns the same each time, and in whatever order the files are.", try: func(t *trial) {
		for _, s := range t.samples {
			files := s.heads(t)
			first := t.probe(s, files)
			if diff := difference(first, t.probe(s, files)); diff != "" {
				t.errorf("%s: a second time it is another\n%s", s.Name, diff)
			}
			slices.Reverse(files)
			if other := t.probe(s, files); other.Format != first.Format || other.Confidence != first.Confidence {
				t.errorf("%s: in another order it is %q, %d, and was %q, %d", s.Name, other.Format, other.Confidence, first.Format, first.Confidence)
			}
		}
	}},
	{ID: "LD-PROBE-006", Sentence: "The beginning of a file need not be known.", try: func(t *trial) {
		for _, s := range t.samples {
			g := t.probe(s, s.Files.List())
			if g.Confidence > loader.Impossible && g.Format == "" {
				t.errorf("%s: the confidence is %d of no format", s.Name, g.Confidence)
			}
		}
	}},
	{ID: "LD-PROBE-007", Sentence: "Probe returns at once, for as many files as there may be.", try: func(t *trial) {
		s := t.own(false)[0]
		files := s.heads(t)
		for i := range loader.MaxFiles - len(files) {
			files = append(files, loader.File{Path: strings.Repeat("d/", 10) + string(rune('a'+i%26)) + "/" + strings.Repeat("x", i%200) + "-" + strconv.Itoa(i), SizeBytes: 1 << 40})
		}
		quickest := time.Duration(math.MaxInt64) // the machine may have been busy
		for range 3 {
			began := time.Now()
			t.probe(s, files)
			quickest = min(quickest, time.Since(began))
		}
		if quickest > time.Second {
			t.errorf("it took %v", quickest)
		}
	}},
}

// isSentence reports whether a text is one that people can be shown.
func isSentence(text string) bool {
	return text != "" && len(text) <= 2000 && utf8.ValidString(text) && !strings.ContainsAny(text, "\x00\x1b\n")
}
