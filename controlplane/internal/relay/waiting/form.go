package waiting

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
)

// Form is the protocol of a stream.
type Form uint8

// The forms.
const (
	Chat      Form = iota // lines of JSON, as of Ollama's /api/chat
	Generate              // the same, as of Ollama's /api/generate
	OpenAI                // events, as of OpenAI's completions and responses
	Anthropic             // events, as of Anthropic's messages
)

// Header returns the fields that a stream of this form begins with.
func (f Form) Header() []edge.HeaderField {
	contentType := "text/event-stream"
	if f == Chat || f == Generate {
		contentType = "application/x-ndjson"
	}
	return []edge.HeaderField{
		{Name: "Content-Type", Value: contentType},
		{Name: "X-Accel-Buffering", Value: "no"}, // or nginx would keep it all back
	}
}

// The header fields that tell a client of the queue.
const (
	PositionField = "Corral-Queue-Position"
	WaitField     = "Corral-Queue-Wait-Seconds"
)

// QueueHeader returns the fields for an answer to a request that was queued: at
// which position it came in, 1 being the next, and how long it has waited by the
// time at which the head is written.
func QueueHeader(position int, waited time.Duration) []edge.HeaderField {
	return []edge.HeaderField{
		{Name: PositionField, Value: strconv.Itoa(position)},
		{Name: WaitField, Value: strconv.FormatFloat(waited.Seconds(), 'f', 3, 64)},
	}
}

// chatLine and generateLine are what Ollama streams, with nothing in it.
type (
	chatLine struct {
		Model     string      `json:"model"`
		CreatedAt time.Time   `json:"created_at"`
		Message   chatMessage `json:"message"`
		Done      bool        `json:"done"`
	}
	chatMessage struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	generateLine struct {
		Model     string    `json:"model"`
		CreatedAt time.Time `json:"created_at"`
		Response  string    `json:"response"`
		Done      bool      `json:"done"`
	}
)

// sign returns a sign of life. A position of 0 is one that nobody knows.
func (f Form) sign(model string, position int, now time.Time) []byte {
	var line any
	switch f {
	case OpenAI:
		if position > 0 {
			return []byte(": waiting, position " + strconv.Itoa(position) + "\n\n")
		}
		return []byte(": waiting\n\n")
	case Anthropic:
		return []byte("event: ping\ndata: {\"type\":\"ping\"}\n\n")
	case Generate:
		line = generateLine{Model: model, CreatedAt: now.UTC()}
	default:
		line = chatLine{Model: model, CreatedAt: now.UTC(), Message: chatMessage{Role: "assistant"}}
	}
	// Strings and a time of this age can always be encoded.
	sign, _ := json.Marshal(line)
	return append(sign, '\n')
}

// failure returns the end of a stream that failed; body is one line of JSON.
func (f Form) failure(body []byte) []byte {
	before, after := "", "\n"
	switch f {
	case OpenAI:
		before, after = "data: ", "\n\n"
	case Anthropic:
		before, after = "event: error\ndata: ", "\n\n"
	}
	return slices.Concat([]byte(before), body, []byte(after))
}

func (f Form) dialect() edge.Dialect {
	switch f {
	case OpenAI:
		return edge.OpenAI
	case Anthropic:
		return edge.Anthropic
	}
	return edge.Ollama
}
