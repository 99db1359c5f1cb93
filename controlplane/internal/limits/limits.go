// Package limits holds requests to what the settings allow: how many tokens an
// answer may have, how large batches are, and whether GPUs are used. It changes
// a body only where a limit says so; what it does not know it leaves as it is.
package limits

import (
	"context"
	"strconv"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// Limits are what every request is held to. The zero value limits nothing.
type Limits struct {
	// MaxTokens is the most that an answer may have, also where the request does
	// not say how many it wants; 0 is no limit.
	MaxTokens int
	// BatchSize is num_batch where the request does not say; 0 leaves it to Ollama.
	BatchSize int
	// CPUOnly has models loaded on the processor alone, whatever the request says.
	CPUOnly bool
}

// Forwarder holds requests to limits on their way to a host. Its methods may be
// called concurrently.
type Forwarder struct {
	next    fleet.Forwarder
	current func() Limits
}

var _ fleet.Forwarder = (*Forwarder)(nil)

// New returns a forwarder to next. It asks current, which must be quick, at each
// request, so that a change counts from the next one on.
func New(next fleet.Forwarder, current func() Limits) *Forwarder {
	return &Forwarder{next: next, current: current}
}

// Forward implements [fleet.Forwarder].
func (f *Forwarder) Forward(ctx context.Context, model string, call fleet.Call) (*fleet.Answer, error) {
	if l := f.current(); l != (Limits{}) {
		path, _, _ := strings.Cut(call.Path, "?")
		call.Body = l.Apply(path, call.Body)
	}
	return f.next.Forward(ctx, model, call)
}

// Apply returns the body of a call to one of Ollama's routes as the limits want
// it. A body that needs no change is returned itself, and so is one that is not
// a JSON object: what is wrong with it is Ollama's to say. Otherwise the copy
// differs in nothing but the limited fields.
func (l Limits) Apply(path string, body []byte) []byte {
	switch path {
	case "/api/chat", "/api/generate":
		return applyOptions(body, l.options(true))
	case "/api/embed", "/api/embeddings":
		return applyOptions(body, l.options(false))
	}
	if l.MaxTokens <= 0 {
		return body
	}
	switch path {
	case "/v1/chat/completions":
		return l.applyToChatCompletion(body)
	case "/v1/completions":
		return applyFields(body, l.atMost("max_tokens"))
	case "/v1/responses":
		return applyFields(body, l.atMost("max_output_tokens"))
	case "/v1/messages":
		// The field must be there and positive, which Ollama sees to.
		r := l.atMost("max_tokens")
		r.added, r.fits = false, func(raw []byte) bool { n, ok := integer(raw); return !ok || n <= int64(l.MaxTokens) }
		return applyFields(body, r)
	}
	return body
}

// options are the rules for the options that Ollama's own routes take.
func (l Limits) options(generates bool) []rule {
	var rules []rule
	if generates && l.MaxTokens > 0 {
		rules = append(rules, l.atMost("num_predict"))
	}
	if l.BatchSize > 0 {
		rules = append(rules, rule{name: "num_batch", value: strconv.Itoa(l.BatchSize), added: true, fits: anything})
	}
	if l.CPUOnly {
		rules = append(rules, rule{name: "num_gpu", value: "0", added: true, fits: isZero})
	}
	return rules
}

func anything([]byte) bool { return true }

func isZero(raw []byte) bool { return string(raw) == "0" }

// atMost is the rule for a field that says how many tokens an answer may have.
// Ollama takes none and less than none for as many as there will be.
func (l Limits) atMost(name string) rule {
	return rule{name: name, value: strconv.Itoa(l.MaxTokens), added: true, fits: func(raw []byte) bool {
		n, ok := integer(raw)
		return !ok || n > 0 && n <= int64(l.MaxTokens)
	}}
}

// applyToChatCompletion limits both names that OpenAI has for the field. Ollama
// knows the old one alone, so that one has to be there, with what the other says.
func (l Limits) applyToChatCompletion(body []byte) []byte {
	const newName = "max_completion_tokens"
	old, renamed := l.atMost("max_tokens"), l.atMost(newName)
	renamed.added = false
	top, ok := parseObject(body, 0)
	if !ok {
		return body
	}
	for _, m := range top.members {
		if !sameField(m.name(body), newName) {
			continue
		}
		if n, ok := integer(m.value.of(body)); ok && n > 0 && n <= int64(l.MaxTokens) {
			old.value = strconv.FormatInt(n, 10)
		}
	}
	// A value of the old name that does not fit falls to the new one's, which is
	// within the limit as well.
	return change(body, top.edits(body, []rule{old, renamed}, sameField))
}
