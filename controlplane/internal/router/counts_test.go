package router

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAnswersTellTheirCounts(t *testing.T) {
	whole := counts{promptTokens: 26, tokens: 298, prompt: 130079000, generate: 4799921000, load: 5025959}
	for name, c := range map[string]struct {
		answer string
		want   counts
	}{
		"lines": {
			`{"message":{"content":"Hi"},"done":false}` + "\n" + strings.Repeat(" ", 2000) + `{"done":true,"total_duration":4883583458,"load_duration":5025959,` +
				`"prompt_eval_count":26,"prompt_eval_duration":130079000,"eval_count":298,"eval_duration":4799921000}` + "\n", whole,
		},
		"a context before": {
			`{"done":true,"context":[` + strings.Repeat("1,", 5000) + `1],"load_duration":5025959,"prompt_eval_count":26,"prompt_eval_duration":130079000,"eval_count":298,"eval_duration":4799921000}`,
			whole,
		},
		"OpenAI's":     {`{"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":34,"total_tokens":46}}`, counts{promptTokens: 12, tokens: 34}},
		"Anthropic's":  {`{"usage":{"input_tokens": 12,"output_tokens": 34}}`, counts{promptTokens: 12, tokens: 34}},
		"an imitation": {`{"message":{"content":"\"eval_count\":5"},"done":true}`, counts{}},
		"too much":     {`{"eval_count":99999999999999999999,"prompt_eval_count":-3}`, counts{}},
		"nothing":      {"", counts{}},
	} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			for range 50 { // in pieces of any size
				var end tail
				for rest := []byte(c.answer); len(rest) > 0; {
					n := min(1+random.IntN(900), len(rest))
					end.add(rest[:n])
					rest = rest[n:]
				}
				if diff := cmp.Diff(c.want, end.counts(), cmp.AllowUnexported(counts{})); diff != "" {
					t.Fatalf("(-want +got)\n%s", diff)
				}
			}
		})
	}
}

func TestSpeedsAreLearned(t *testing.T) {
	var s speeds
	a := &ask{promptBytes: 4000, generates: true, maxTokens: -1}
	told := counts{promptTokens: 1000, prompt: 2 * time.Second, tokens: 100, generate: 4 * time.Second, load: 3 * time.Second}
	s.learn(a, told, 0, true)
	want := []float64{500, 25, 3, 4, 100}
	if diff := cmp.Diff(want, []float64{s.prompt.value, s.generate.value, s.load.value, s.bytesPerToken.value, s.answer.value}); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	told.prompt, told.load, told.generate = time.Second/10, time.Hour, 2*time.Second
	s.learn(a, told, 256, false) // of which a cache spared some, and which loaded nothing
	if s.prompt.value != 500 || s.load.value != 3 || s.generate.value != 25+newest*25 {
		t.Errorf("prompt %v, load %v, generate %v", s.prompt.value, s.load.value, s.generate.value)
	}
	a.maxTokens = 100 // which cut it off
	told.tokens = 100
	s.learn(a, told, 256, false)
	if s.answer.value != 100 {
		t.Errorf("an answer is taken for %v tokens", s.answer.value)
	}
	var empty speeds
	empty.learn(&ask{}, counts{promptTokens: 5, prompt: 1, tokens: 1, generate: 1, load: 1}, 0, true)
	if empty != (speeds{}) {
		t.Errorf("learned from next to nothing: %+v", empty)
	}
}
