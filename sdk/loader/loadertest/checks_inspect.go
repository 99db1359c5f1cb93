package loadertest

import (
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf"
	"github.com/corral-fleet/corral/sdk/loader"
)

// inspect has the loader say what is in a good sample, which has to work.
func (t *trial) inspect(s Sample) loader.Info {
	info, err := t.Inspect(t.ctx, loader.Limit(s.Files, loader.MaxReadBytes))
	if err != nil {
		t.fatalf("Inspect of %s: %v", s.Name, err)
	}
	return info
}

// wantRefused checks an error for files that nobody should load.
func (t *trial) wantRefused(name string, err error) {
	switch kind := fault.KindOf(err); kind {
	case fault.None:
		t.errorf("%s: it is taken", name)
	case fault.Corrupt, fault.Invalid, fault.NotFound, fault.TooLarge, fault.NotImplemented, fault.Conflict:
		if text := fault.MessageOf(err); !isSentence(text) {
			t.errorf("%s: it is refused with %q", name, text)
		}
	default:
		t.errorf("%s: it is refused with %v, of the kind %v", name, err, kind)
	}
}

// survives checks that whatever comes of strange files is within the contract.
func (t *trial) survives(name string, files loader.Files) {
	info, err := t.Inspect(t.ctx, loader.Limit(files, loader.MaxReadBytes))
	if err != nil {
		t.wantRefused(name, err)
		return
	}
	if err := info.Check(files.List()); err != nil {
		t.errorf("%s: %v", name, err)
		return
	}
	recipe, err := t.Plan(t.ctx, loader.Request{Info: info, Options: optionsFor(info)})
	if err != nil {
		t.wantRefused(name, err)
		return
	}
	if err := recipe.Check(files.List()); err != nil {
		t.errorf("%s: %v", name, err)
	}
}

var inspectChecks = []Check{
	{ID: "LD-INSPECT-001", Sentence: "Good files are taken, and what is said of them is of them and of their format.", try: func(t *trial) {
		for _, s := range t.own(false) {
			info := t.inspect(s)
			if err := info.Check(s.Files.List()); err != nil {
				t.errorf("%s: %v", s.Name, err)
			}
			if info.Format != s.Format {
				t.errorf("%s is taken for %q", s.Name, info.Format)
			}
		}
	}},
	{ID: "LD-INSPECT-002", Sentence: "Files that are not what they promise to be, that lack others, or that nobody should load are refused with a sentence.", try: func(t *trial) {
		for _, s := range t.own(true) {
			_, err := t.Inspect(t.ctx, loader.Limit(s.Files, loader.MaxReadBytes))
			t.wantRefused(s.Name, err)
		}
	}},
	{ID: "LD-INSPECT-003", Sentence: "Files of another format are refused with a sentence.", try: func(t *trial) {
		for _, s := range t.samples {
			if g := t.probe(s, s.heads(t)); g.Confidence > loader.Impossible {
				continue
			}
			_, err := t.Inspect(t.ctx, loader.Limit(s.Files, loader.MaxReadBytes))
			t.wantRefused(s.Name, err)
		}
	}},
	{ID: "LD-INSPECT-004", Sentence: "Inspect returns the same each time, and in whatever order the files are.", try: func(t *trial) {
		for _, s := range t.own(false) {
			first := t.inspect(s)
			if diff := difference(first, t.inspect(s)); diff != "" {
				t.errorf("%s: a second time it is another\n%s", s.Name, diff)
			}
			s.Files = reversed{s.Files}
			if diff := difference(first, t.inspect(s)); diff != "" {
				t.errorf("%s: in another order it is another\n%s", s.Name, diff)
			}
		}
	}},
	{ID: "LD-INSPECT-005", Sentence: "Of good files, a part is read: no more than 64 MiB, however large they are.", try: func(t *trial) {
		for _, s := range t.own(false) {
			counted := &counting{Files: s.Files}
			if _, err := t.Inspect(t.ctx, counted); err != nil {
				t.errorf("%s: %v", s.Name, err)
			}
			if n := counted.bytes.Load(); n > loader.MaxReadBytes {
				t.errorf("%s: %d bytes are read", s.Name, n)
			}
		}
	}},
	{ID: "LD-INSPECT-006", Sentence: "No file that was cut off makes it panic, hang, or say what can't be.", try: func(t *trial) {
		for _, s := range t.small() {
			content := s.content(t)
			for _, path := range slices.Sorted(maps.Keys(content)) {
				whole := content[path]
				for _, at := range []int{0, 1, 4, 8, 12, 16, 23, 24, 40, 100, len(whole) / 4, len(whole) / 2, len(whole) - 1} {
					if at < 0 || at >= len(whole) {
						continue
					}
					cut := maps.Clone(content)
					cut[path] = whole[:at]
					t.survives(s.Name+", "+path+" cut off", loader.Bytes(cut))
				}
			}
		}
	}},
	{ID: "LD-INSPECT-007", Sentence: "No bytes make it panic, hang, or say what can't be.", try: func(t *trial) {
		random := rand.New(rand.NewPCG(7, 7))
		for _, s := range t.small() {
			content := s.content(t)
			paths := slices.Sorted(maps.Keys(content))
			for range 32 {
				changed := maps.Clone(content)
				path := paths[random.IntN(len(paths))]
				changed[path] = damage(random, changed[path])
				t.survives(s.Name+", "+path+" damaged", loader.Bytes(changed))
			}
		}
	}},
	{ID: "LD-INSPECT-008", Sentence: "A file that is shorter than it is said to be is refused, or taken for what there is.", try: func(t *trial) {
		for _, s := range t.small() {
			t.survives(s.Name+", longer than it is", boasting{s.Files})
		}
	}},
	{ID: "LD-INSPECT-009", Sentence: "A file that is missing among good ones does no harm.", try: func(t *trial) {
		for _, s := range t.small() {
			content := s.content(t)
			for _, path := range slices.Sorted(maps.Keys(content)) {
				if len(content) == 1 {
					continue
				}
				without := maps.Clone(content)
				delete(without, path)
				t.survives(s.Name+" without "+path, loader.Bytes(without))
			}
		}
	}},
	{ID: "LD-INSPECT-010", Sentence: "A geometry is of a layer that there is, and can be read.", try: func(t *trial) {
		for _, s := range t.own(false) {
			info := t.inspect(s)
			for role, geometry := range info.Geometry {
				if !slices.ContainsFunc(info.Layers, func(l loader.Layer) bool { return l.Role == role }) {
					t.errorf("%s: there is a geometry of a %s, and no such layer", s.Name, role)
				}
				if _, err := gguf.ReadCondensed(geometry); err != nil {
					t.errorf("%s: the geometry of the %s: %v", s.Name, role, err)
				}
			}
		}
	}},
}

// damage returns bytes of which some at the beginning, where headers are, are others.
func damage(random *rand.Rand, b []byte) []byte {
	b = slices.Clone(b)
	if len(b) == 0 {
		return []byte{0}
	}
	for range 1 + random.IntN(4) {
		at := random.IntN(min(len(b), 2048))
		switch random.IntN(3) {
		case 0:
			b[at] ^= 1 << random.IntN(8)
		case 1:
			b[at] = 0xff
		default:
			b[at] = byte(random.IntN(256))
		}
	}
	return b
}
