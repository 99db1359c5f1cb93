package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// replyTokens are how many tokens each client asks for.
const replyTokens = 120

// wording is what a model says: so many words that no other model says, none of
// them twice. So every answer shows whose it is, and whether a word is missing,
// there twice or in the wrong place.
type wording struct {
	model   string
	options tinymodel.Options
	text    string // of a whole answer
	tokens  []string
}

func wordings(t *testing.T) []wording {
	t.Helper()
	var all []wording
	for _, word := range []string{"oak", "river", "lamp"} {
		w := wording{model: word + ":latest"}
		for n := range replyTokens {
			w.text += fmt.Sprintf(" %s%d", word, n)
		}
		w.options = tinymodel.Options{Loop: true, Reply: w.text}
		var err error
		if w.tokens, err = tinymodel.Pieces(w.options); err != nil {
			t.Fatal(err)
		}
		if len(w.tokens) != replyTokens {
			t.Fatalf("%s says its words in %d tokens, want %d", w.model, len(w.tokens), replyTokens)
		}
		all = append(all, w)
	}
	return all
}

// errorOf returns the error in a line or a body, or "".
func errorOf(text []byte) string {
	var told struct{ Error string }
	if json.Unmarshal(text, &told) != nil {
		return ""
	}
	return told.Error
}

// judge reads a stream to its end.
func (w wording) judge(body io.Reader) (how ended, sample string) {
	var said strings.Builder
	var last []byte
	wholes, failures := 0, 0
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		last = bytes.Clone(lines.Bytes())
		var line struct {
			Model   string
			Message struct{ Content string }
			Done    bool
			Error   string
		}
		if json.Unmarshal(last, &line) != nil {
			continue // of the host that garbles; the last line decides
		}
		if line.Model != "" && line.Model != w.model {
			return mixed, string(last)
		}
		said.WriteString(line.Message.Content)
		if line.Done {
			wholes++
		}
		if line.Error != "" {
			failures++
		}
	}
	text := said.String()
	switch {
	case wholes+failures > 1, w.repeats(text):
		return repeated, text
	case !strings.HasPrefix(w.text, text):
		return mixed, text
	case lines.Err() != nil:
		return silent, lines.Err().Error()
	case errorOf(last) != "":
		return toldOf, errorOf(last)
	case wholes == 1 && text == w.text:
		return complete, ""
	}
	return silent, fmt.Sprintf("%q after %d bytes of its words", last, len(text))
}

// repeats reports whether a text has one of the words twice, and nobody else's.
func (w wording) repeats(text string) bool {
	twice := false
	seen := map[string]bool{}
	for word := range strings.FieldsSeq(text) {
		if !slices.Contains(w.tokens, " "+word) {
			return false
		}
		twice = twice || seen[word]
		seen[word] = true
	}
	return twice
}

// TestJudge has answers that are wrong in every way which the fault run is to find.
func TestJudge(t *testing.T) {
	all := wordings(t)
	w, other := all[0], all[1]
	say := func(of wording, tokens ...string) string {
		var lines strings.Builder
		for _, token := range tokens {
			line, err := json.Marshal(object{"model": of.model, "message": object{"content": token}})
			if err != nil {
				t.Fatal(err)
			}
			lines.Write(append(line, '\n'))
		}
		return lines.String()
	}
	const (
		failed = `{"error":"the answer broke off"}` + "\n"
		done   = `{"message":{"content":""},"done":true}` + "\n"
	)
	half := w.tokens[:replyTokens/2]
	rest := w.tokens[len(half):]
	var interleaved, doubled []string
	for i, token := range w.tokens {
		interleaved = append(interleaved, token, other.tokens[i])
		doubled = append(doubled, token, token)
	}
	for name, c := range map[string]struct {
		body string
		want ended
	}{
		"whole":                            {say(w, w.tokens...) + done, complete},
		"whole, in large pieces":           {say(w, w.text) + done, complete},
		"half of it":                       {say(w, half...), silent},
		"half of it, said done":            {say(w, half...) + done, silent},
		"half of it, with an error":        {say(w, half...) + failed, toldOf},
		"all of it, without an end":        {say(w, w.tokens...), silent},
		"nothing":                          {"", silent},
		"garbage, then an error":           {"\xff\x00\n" + failed, toldOf},
		"garbage":                          {"\xff\x00\n", silent},
		"another model's":                  {say(other, w.tokens...) + done, mixed},
		"another model's tokens":           {say(w, other.tokens...) + done, mixed},
		"another's after its own":          {say(w, half...) + say(w, other.tokens...) + done, mixed},
		"one of another's":                 {say(w, half...) + say(w, other.tokens[0]) + failed, mixed},
		"another's in between":             {say(w, interleaved...) + done, mixed},
		"begun again":                      {say(w, half...) + say(w, w.tokens...) + done, repeated},
		"begun again, with an error":       {say(w, half...) + say(w, half...) + failed, repeated},
		"a token twice":                    {say(w, half...) + say(w, half[len(half)-1]) + say(w, rest...) + done, repeated},
		"a token twice, with an error":     {say(w, half[0], half[0]) + failed, repeated},
		"every token twice":                {say(w, doubled...) + done, repeated},
		"a token that is missing":          {say(w, half...) + say(w, rest[1:]...) + done, mixed},
		"two tokens in each other's place": {say(w, w.tokens[1], w.tokens[0]) + failed, mixed},
		"twice":                            {say(w, w.tokens...) + say(w, w.tokens...) + done, repeated},
		"done twice":                       {say(w, w.tokens...) + done + done, repeated},
		"an error, and then an end":        {say(w, half...) + failed + say(w, rest...) + done, repeated},
	} {
		if got, sample := w.judge(strings.NewReader(c.body)); got != c.want {
			t.Errorf("%s: it ended %s (%s), want %s", name, got, sample, c.want)
		}
	}
}
