package chattemplate

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWhatOllamaKnowsIsFound(t *testing.T) {
	for _, k := range index() {
		want := load("ollama", k.Name)
		for what, jinja := range map[string]string{"as it is": k.Template, "with a little more": k.Template + "{# as of today #}"} {
			got, ok := Find(jinja)
			if !ok || !got.Known {
				t.Errorf("%s, %s: it is not found", k.Name, what)
				continue
			}
			want.Known = true
			// Some of those that Ollama knows differ by less than that.
			if got.Name != want.Name && distance(jinja, k.Template, near) > 0 {
				continue
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s\n%s", k.Name, what, diff)
			}
		}
	}
}

func TestTheFirstOfTheClosestIsTaken(t *testing.T) {
	for _, k := range index() {
		changed := strings.Replace(k.Template, "message", "Message", 3)
		best, want := near, ""
		for _, other := range index() {
			if off := len(changed) - len(other.Template); off >= near || -off >= near {
				continue // it takes as many letters at least, and looking would take long
			}
			if d := slow(changed, other.Template); d < best {
				best, want = d, other.Name
			}
		}
		if got, _ := closest(changed); got != want {
			t.Errorf("%s, changed a little, is taken for %s, want %s", k.Name, got, want)
		}
	}
}

// slow is distance as it is written in books.
func slow(a, b string) int {
	x, y := []rune(a), []rune(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		corner := row[0]
		row[0] = i + 1
		for j := range y {
			replaced := corner
			if x[i] != y[j] {
				replaced++
			}
			corner = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(y)]
}

func TestDistance(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		b := make([]rune, random.IntN(40))
		for i := range b {
			b[i] = []rune("abc｜")[random.IntN(4)]
		}
		return string(b)
	}
	for range 20_000 {
		a, b, bound := text(), text(), 1+random.IntN(45)
		if got, want := distance(a, b, bound), min(slow(a, b), bound); got != want {
			t.Fatalf("from %q to %q within %d it is %d, want %d", a, b, bound, got, want)
		}
	}
}

func TestALongTemplateTakesNoTime(t *testing.T) {
	long := strings.Repeat("{% for message in messages %}", 1<<20/29)
	began := time.Now()
	Find(long)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// said is a chat as Ollama gives it to a template.
func said(more map[string]any) map[string]any {
	all := map[string]any{
		"System": "Be brief.", "Tools": nil, "Think": false, "IsThinkSet": false, "Prompt": "", "Response": "",
		"Messages": []message{{Role: "system", Content: "Be brief."}, {Role: "user", Content: "Hello"}, {Role: "assistant", Content: "Hi"}, {Role: "user", Content: "How?"}},
	}
	maps.Copy(all, more)
	return all
}

type message struct {
	Role, Content, Thinking string
	ToolCalls               []toolCall
}

type toolCall struct{ Function function }

type function struct {
	Name      string
	Arguments string
}

func render(t *testing.T, text string, values map[string]any) string {
	t.Helper()
	parsed, err := template.New("").Option("missingkey=zero").Funcs(template.FuncMap{
		"json": func(any) string { return "" }, "currentDate": func(...string) string { return "" },
	}).Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := parsed.Execute(&out, values); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestMarksTellTheFamily(t *testing.T) {
	for name, c := range map[string]struct{ jinja, want string }{
		"chatml":            {"<|im_start|>" + strings.Repeat("x", 9000), "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi<|im_end|>\n<|im_start|>user\nHow?<|im_end|>\n<|im_start|>assistant\n"},
		"chatml-tools":      {"<|im_start|> <tool_call>" + strings.Repeat("x", 9000), "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi<|im_end|>\n<|im_start|>user\nHow?<|im_end|>\n<|im_start|>assistant\n"},
		"chatml-thinking":   {"<|im_start|> <think>" + strings.Repeat("x", 9000), "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi<|im_end|>\n<|im_start|>user\nHow?<|im_end|>\n<|im_start|>assistant\n"},
		"llama3-instruct":   {"<|start_header_id|>" + strings.Repeat("x", 9000), "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHow?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"},
		"gemma3-instruct":   {"<start_of_turn>" + strings.Repeat("x", 9000), ""},
		"command-r":         {"<|START_OF_TURN_TOKEN|>" + strings.Repeat("x", 9000), ""},
		"llama2-chat":       {"[INST] <<SYS>>" + strings.Repeat("x", 9000), ""},
		"mistral-instruct":  {"[INST]" + strings.Repeat("x", 9000), "[INST] Be brief.\n\nHello[/INST] Hi</s>[INST] How?[/INST]"},
		"deepseek":          {"<｜User｜>" + strings.Repeat("x", 9000), "Be brief.<｜User｜>Hello<｜Assistant｜>Hi<｜end▁of▁sentence｜><｜User｜>How?<｜Assistant｜>"},
		"deepseek-thinking": {"<｜User｜> <think>" + strings.Repeat("x", 9000), "Be brief.<｜User｜>Hello<｜Assistant｜>Hi<｜end▁of▁sentence｜><｜User｜>How?<｜Assistant｜>"},
		"granite":           {"<|start_of_role|>" + strings.Repeat("x", 9000), "<|start_of_role|>system<|end_of_role|>Be brief.<|end_of_text|>\n<|start_of_role|>user<|end_of_role|>Hello<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>Hi<|end_of_text|>\n<|start_of_role|>user<|end_of_role|>How?<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>"},
		"harmony":           {"<|start|> <|channel|>" + strings.Repeat("x", 9000), "<|start|>system<|message|>Be brief.<|end|><|start|>user<|message|>Hello<|end|><|start|>assistant<|message|>Hi<|end|><|start|>user<|message|>How?<|end|><|start|>assistant"},
		"phi-3":             {"<|user|> <|end|>" + strings.Repeat("x", 9000), "<|system|>\nBe brief.<|end|>\n<|user|>\nHello<|end|>\n<|assistant|>\nHi<|end|>\n<|user|>\nHow?<|end|>\n<|assistant|>\n"},
		"zephyr":            {"<|user|> <|assistant|>" + strings.Repeat("x", 9000), "<|system|>\nBe brief.</s>\n<|user|>\nHello</s>\n<|assistant|>\nHi</s>\n<|user|>\nHow?</s>\n<|assistant|>\n"},
	} {
		got, ok := Find(c.jinja)
		if !ok || got.Name != name || got.Known {
			t.Errorf("%s: it is taken for %q, %v", name, got.Name, ok)
			continue
		}
		if text := render(t, got.Text, said(nil)); c.want != "" && text != c.want {
			t.Errorf("%s\n%s", name, cmp.Diff(c.want, text))
		}
	}
	for _, jinja := range []string{"", "{{ messages }}" + strings.Repeat("x", 9000)} {
		if got, ok := Find(jinja); ok {
			t.Errorf("what nobody knows is taken for %s", got.Name)
		}
	}
}

func TestToolsAndThoughts(t *testing.T) {
	values := said(map[string]any{
		"System": "", "Tools": []map[string]any{{"Function": `{"name": "clock"}`}}, "IsThinkSet": true,
		"Messages": []message{
			{Role: "user", Content: "What time is it?"},
			{Role: "assistant", Thinking: "I ask the clock.", ToolCalls: []toolCall{{function{"clock", "{}"}}}},
			{Role: "tool", Content: "noon"},
		},
	})
	thinking, tools := load("families", "chatml-thinking"), load("families", "chatml-tools")
	if !thinking.Thinking() || !thinking.Tools() || tools.Thinking() || !tools.Tools() || load("ollama", "chatml").Tools() {
		t.Error("what a template does is told wrong")
	}
	got := render(t, thinking.Text, values)
	for _, want := range []string{
		"<tools>\n{\"type\": \"function\", \"function\": {\"name\": \"clock\"}}\n</tools>", "<|im_start|>user\nWhat time is it?<|im_end|>\n",
		"<|im_start|>assistant\n<think>\nI ask the clock.\n</think>\n\n\n<tool_call>\n{\"name\": \"clock\", \"arguments\": {}}\n</tool_call><|im_end|>\n",
		"<|im_start|>user\n<tool_response>\nnoon\n</tool_response><|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if got := render(t, tools.Text, values); strings.Contains(got, "think") {
		t.Errorf("a model that does not think is told of it:\n%s", got)
	}
}

func TestEveryTemplateIsOne(t *testing.T) {
	seen := 0
	for _, folder := range []string{"ollama", "families"} {
		entries, err := files.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name, is := strings.CutSuffix(e.Name(), ".gotmpl")
			if !is {
				continue
			}
			seen++
			one := load(folder, name)
			if text := render(t, one.Text, said(nil)); !strings.Contains(text, "How?") && !slices.Contains([]string{"alpaca", "magicoder", "starcoder2-instruct"}, name) {
				t.Errorf("%s does not say what was said: %q", name, text)
			}
			var parameters map[string]any
			if one.Parameters != nil && json.Unmarshal(one.Parameters, &parameters) != nil {
				t.Errorf("the parameters of %s are %s", name, one.Parameters)
			}
		}
	}
	if seen < 20 {
		t.Errorf("there are %d templates", seen)
	}
}
