package router

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

func TestSpeedsAreLearned(t *testing.T) {
	var s speeds
	a := &ask{promptBytes: 4000, generates: true, maxTokens: -1}
	told := fleet.Counts{PromptTokens: new(int64(1000)), Prompt: 2 * time.Second, Tokens: new(int64(100)), Generate: 4 * time.Second, Load: 3 * time.Second}
	s.learn(a, told, 0, true)
	want := []float64{500, 25, 3, 4, 100}
	if diff := cmp.Diff(want, []float64{float64(s.prompt), float64(s.generate), float64(s.load), float64(s.bytesPerToken), float64(s.answer)}); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	told.Prompt, told.Load, told.Generate = time.Second/10, time.Hour, 2*time.Second
	s.learn(a, told, 256, false) // of which a cache spared some, and which loaded nothing
	if float64(s.prompt) != 500 || float64(s.load) != 3 || float64(s.generate) != 25+newest*25 {
		t.Errorf("prompt %v, load %v, generate %v", float64(s.prompt), float64(s.load), float64(s.generate))
	}
	a.maxTokens = 100 // which cut it off
	told.Tokens = new(int64(100))
	s.learn(a, told, 256, false)
	if float64(s.answer) != 100 {
		t.Errorf("an answer is taken for %v tokens", float64(s.answer))
	}
	var empty speeds
	empty.learn(&ask{}, fleet.Counts{PromptTokens: new(int64(5)), Prompt: 1, Tokens: new(int64(1)), Generate: 1, Load: 1}, 0, true)
	if empty != (speeds{}) {
		t.Errorf("learned from next to nothing: %+v", empty)
	}
}
