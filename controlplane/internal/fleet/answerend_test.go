package fleet

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAnAnswersEndIsWhatCameLast(t *testing.T) {
	all := strings.Repeat("0123456789abcdef!", 200)
	for _, size := range []int{1, 7, 512, answerEndBytes - 1, answerEndBytes, answerEndBytes + 1, len(all)} {
		var kept AnswerEnd
		for at := 0; at < len(all); at += size {
			kept.Add([]byte(all[at:min(at+size, len(all))]))
			want := all[:min(at+size, len(all))]
			if got := string(kept.bytes()); got != want[max(0, len(want)-answerEndBytes):] {
				t.Fatalf("in pieces of %d bytes, after %d: %q", size, len(want), got)
			}
		}
	}
}

func TestAnswersTellTheirCounts(t *testing.T) {
	const numbers = `"total_duration":4883583458,"load_duration":5025959,` +
		`"prompt_eval_count":26,"prompt_eval_duration":130079000,"eval_count":298,"eval_duration":4799921000`
	whole := Counts{
		Whole: true, PromptTokens: new(int64(26)), Tokens: new(int64(298)),
		Prompt: 130079 * time.Microsecond, Generate: 4799921 * time.Microsecond, Load: 5025959,
	}
	told := func(whole bool, prompt, tokens int64) Counts {
		return Counts{Whole: whole, PromptTokens: &prompt, Tokens: &tokens}
	}
	const arguments = `"tool_calls":[{"function":{"arguments":{"eval_count":7}}}]`
	for name, c := range map[string]struct {
		path, answer string
		want         Counts
	}{
		"lines":                   {"/api/chat", `{"message":{"content":"Hi"},"done":false}` + "\n" + strings.Repeat(" ", 2000) + `{"done":true,` + numbers + "}\n", whole},
		"a context before":        {"/api/generate", `{"done":true,"context":[` + strings.Repeat("1,", 5000) + `1],` + numbers + `}`, whole},
		"a call of a tool behind": {"/api/generate", `{"done":true,` + numbers + `,` + arguments + `}`, whole},
		"a number in an argument": {"/api/chat", `{"message":{` + arguments + `},"done":true}`, Counts{Whole: true}},
		"zeros left out":          {"/api/chat", `{"done":true,"total_duration":5,"load_duration":4}`, Counts{Whole: true, Load: 4}},
		"an imitation":            {"/api/chat", `{"message":{"content":"\"total_duration\":1,\"eval_count\":5"},"done":true}`, Counts{Whole: true}},
		"too much":                {"/api/chat", `{"total_duration":1,"eval_count":99999999999999999999,"prompt_eval_count":-3}`, Counts{Whole: true}},
		"OpenAI's":                {"/v1/chat/completions", `{"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":34,"total_tokens":46}}`, told(false, 12, 34)},
		"OpenAI's stream":         {"/v1/completions", "data: {\"usage\":{\"prompt_tokens\": 12,\"completion_tokens\": 34}}\n\ndata: [DONE]\n\n", told(true, 12, 34)},
		"with details": {"/v1/responses", `data: {"response":{"usage":{"input_tokens":12,"input_tokens_details":{"cached_tokens":0},"output_tokens":34,` +
			`"output_tokens_details":{"reasoning_tokens":9}}},"type":"response.completed"}` + "\n\n", told(true, 12, 34)},
		"Anthropic's": {"/v1/messages", `{"usage":{"input_tokens": 12,"output_tokens": 34}}`, told(false, 12, 34)},
		"nothing":     {"/api/chat", "", Counts{}},
	} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			for range 50 { // in pieces of any size
				var end AnswerEnd
				for rest := []byte(c.answer); len(rest) > 0; {
					n := min(1+random.IntN(900), len(rest))
					end.Add(rest[:n])
					rest = rest[n:]
				}
				if diff := cmp.Diff(c.want, end.Counts(c.path)); diff != "" {
					t.Fatalf("(-want +got)\n%s", diff)
				}
			}
		})
	}
	var none *AnswerEnd
	if diff := cmp.Diff(Counts{}, none.Counts("/api/chat")); diff != "" {
		t.Errorf("nothing was kept (-want +got)\n%s", diff)
	}
}

// FuzzCounts reads the counts of anything.
func FuzzCounts(f *testing.F) {
	f.Add("/api/chat", []byte(`{"done":true,"total_duration":5,"eval_count":3}`+"\n"))
	f.Add("/v1/completions", []byte(`data: {"usage":{"prompt_tokens":9}}`+"\n\ndata: [DONE]\n\n"))
	f.Fuzz(func(t *testing.T, path string, answer []byte) {
		var end AnswerEnd
		end.Add(answer)
		c := end.Counts(path)
		for _, n := range []*int64{c.PromptTokens, c.Tokens, (*int64)(&c.Load), (*int64)(&c.Prompt), (*int64)(&c.Generate)} {
			if n != nil && (*n < 0 || *n > maxCount) {
				t.Errorf("%q counts %d", answer, *n)
			}
		}
	})
}

func BenchmarkCounts(b *testing.B) {
	var end AnswerEnd
	end.Add([]byte(`{"model":"tiny","message":{"content":""},"done":true,"done_reason":"stop","total_duration":9000000,"load_duration":1500000,` +
		`"prompt_eval_count":9,"prompt_eval_duration":209791,"eval_count":15,"eval_duration":500000000}` + "\n"))
	b.ReportAllocs()
	for b.Loop() {
		end.Counts("/api/chat")
	}
}
