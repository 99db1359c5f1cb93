package router

import "time"

// mean is an exponentially weighted mean. The zero value knows nothing.
type mean struct {
	value float64
	known bool
}

// newest is the weight of the newest value in a mean.
const newest = 0.25

func (m *mean) add(v float64) {
	if !m.known {
		m.value, m.known = v, true
		return
	}
	m.value += newest * (v - m.value)
}

// or returns the mean, or else what is known elsewhere.
func (m *mean) or(elsewhere float64) float64 {
	if m.known {
		return m.value
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
func (s *speeds) learn(a *ask, c counts, matchedBytes int, loads bool) {
	// Ollama's count has in it what its cache spared, its duration has not.
	if matchedBytes == 0 && c.promptTokens >= minPromptTokens && c.prompt >= minDuration {
		s.prompt.add(within(float64(c.promptTokens) / c.prompt.Seconds()))
	}
	if c.tokens >= minTokens && c.generate >= minDuration {
		s.generate.add(within(float64(c.tokens) / c.generate.Seconds()))
	}
	if c.promptTokens >= minPromptTokens && a.promptBytes > 0 {
		s.bytesPerToken.add(min(max(float64(a.promptBytes)/float64(c.promptTokens), 0.5), 64))
	}
	if a.generates && c.tokens > 0 && (a.maxTokens < 0 || c.tokens < a.maxTokens) {
		s.answer.add(float64(c.tokens))
	}
	if loads && c.load >= minDuration {
		s.load.add(min(c.load.Seconds(), time.Hour.Seconds()))
	}
}

// within keeps a speed to what a machine can do, whatever an answer says.
func within(tokensPerSecond float64) float64 { return min(max(tokensPerSecond, 0.01), 1e6) }
