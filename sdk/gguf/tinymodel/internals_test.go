package tinymodel

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// TestFloat16 compares with the definition: of all halves, the nearest.
func TestFloat16(t *testing.T) {
	value := func(h uint16) float64 {
		if h < 1<<10 {
			return math.Ldexp(float64(h), -24)
		}
		return math.Ldexp(float64(1<<10+h&(1<<10-1)), int(h>>10)-25)
	}
	f := func(v float64, want uint16) {
		t.Helper()
		if got := float16(float32(v)); got != want {
			t.Fatalf("float16(%g) = %#04x, want %#04x", v, got, want)
		}
		if got := float16(float32(-v)); got != want|1<<15 {
			t.Fatalf("float16(%g) = %#04x, want %#04x", -v, got, want|1<<15)
		}
	}
	const infinity = 0x7c00
	for h := range uint16(infinity) {
		middle := (value(h) + value(h+1)) / 2
		f(value(h), h)
		f(middle, h+h&1) // to the even neighbour
		f(float64(math.Nextafter32(float32(middle), 0)), h)
		f(float64(math.Nextafter32(float32(middle), math.MaxFloat32)), h+1)
	}
	f(1e9, infinity)
	f(math.Inf(1), infinity)
}

func TestSpellGivesEveryByteACharacterOfItsOwn(t *testing.T) {
	free := rune(256)
	for b := range 256 {
		want := rune(b)
		printable := b >= '!' && b <= '~' || b >= '¡' && b <= '¬' || b >= '®' && b <= 'ÿ'
		if !printable {
			want, free = free, free+1
		}
		if got := spell(byte(b)); got != want {
			t.Errorf("spell(%#x) = %q, want %q", b, got, want)
		}
	}
}

func FuzzPieces(f *testing.F) {
	for _, s := range []string{"", " ", DefaultReply, DefaultLoopReply, "a a a a", "a  b   b ", "x y x y x y", "größte größte größte"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, reply string) {
		got := pieces(reply)
		if joined := strings.Join(got, ""); joined != reply {
			t.Errorf("the pieces of %q say %q", reply, joined)
		}
		slices.Sort(got)
		if len(slices.Compact(slices.Clone(got))) != len(got) || slices.Contains(got, "") {
			t.Errorf("the pieces of %q are not distinct: %q", reply, got)
		}
	})
}
