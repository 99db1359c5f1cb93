package router

import (
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// mean is an exponentially weighted mean of values above 0, which is what it is
// while it knows none.
type mean float64

// newest is the weight of the newest value in a mean.
const newest = 0.25

func (m *mean) add(v float64) {
	if *m == 0 {
		*m = mean(v)
		return
	}
	*m += newest * (mean(v) - *m)
}

// or returns the mean, or else what is known elsewhere.
func (m mean) or(elsewhere float64) float64 {
	if m != 0 {
		return float64(m)
	}
	return elsewhere
}

// speeds are what was learned of a model, on one instance or on all.
type speeds struct {
	prompt        mean // tokens a second
	generate      mean // tokens a second
	load          mean // seconds
	bytesPerToken mean // of a prompt as it stands in a request
	answer        mean // tokens of an answer that no limit has cut
}

// What is assumed where nothing was learned.
const (
	usualPrompt        = 1000.0 // tokens a second
	usualGenerate      = 30.0   // tokens a second
	usualBytesPerToken = 4.0
	usualAnswer        = 256.0 // tokens
	usualLoad          = 1.0   // seconds, and then
	usualRead          = 1e9   // bytes a second
)

// What is too little to learn from: the shares of what every request costs
// alike, and of what a cache spares, are too large in it.
const (
	minPromptTokens = 32
	minTokens       = 4
	minDuration     = time.Millisecond
)

// learn takes up what an answer told. Matched is how much of the prompt was
// taken for computed already, and loads whether it began a load of the model.
func (s *speeds) learn(a *ask, c fleet.Counts, matchedBytes int, loads bool) {
	promptTokens, tokens := known(c.PromptTokens), known(c.Tokens)
	// Ollama's count has in it what its cache spared, its duration has not.
	if matchedBytes == 0 && promptTokens >= minPromptTokens && c.Prompt >= minDuration {
		s.prompt.add(within(float64(promptTokens) / c.Prompt.Seconds()))
	}
	if tokens >= minTokens && c.Generate >= minDuration {
		s.generate.add(within(float64(tokens) / c.Generate.Seconds()))
	}
	if promptTokens >= minPromptTokens && a.promptBytes > 0 {
		s.bytesPerToken.add(min(max(float64(a.promptBytes)/float64(promptTokens), 0.5), 64))
	}
	if a.generates && tokens > 0 && (a.maxTokens < 0 || tokens < int64(a.maxTokens)) {
		s.answer.add(float64(tokens))
	}
	if loads && c.Load >= minDuration {
		s.load.add(min(c.Load.Seconds(), time.Hour.Seconds()))
	}
}

// known returns a count, 0 for one that was not told.
func known(count *int64) int64 {
	if count == nil {
		return 0
	}
	return *count
}

// within keeps a speed to what a machine can do, whatever an answer says.
func within(tokensPerSecond float64) float64 { return min(max(tokensPerSecond, 0.01), 1e6) }
