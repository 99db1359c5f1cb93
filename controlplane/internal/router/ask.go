package router

import (
	"hash/maphash"
	"strconv"
	"strings"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// ask is what has to be known of a request to price it. The rest of it is
// Ollama's business.
type ask struct {
	model     string       // as the caller has it
	path      string       // without a query
	needs     fleet.Routes // which its Ollama has to have
	computes  bool         // the model has to be in memory for it
	generates bool         // and makes tokens
	streams   bool
	queued    time.Duration // in line
	unloads   bool          // the model leaves memory when this is answered

	promptBytes int
	maxTokens   int // -1 where the caller sets no limit
	options     runnerOptions
	prefix      prefix
}

// imageBytes is what an image counts for in a prompt, whatever its size.
const imageBytes = 2400

// readAsk looks at a request's body once. A body that is not valid gives what
// could be seen: refusing it is for whoever has to understand it.
func readAsk(seed maphash.Seed, model, path string, body []byte) ask {
	path, _, _ = strings.Cut(path, "?")
	a := ask{model: model, path: path, maxTokens: -1}
	a.needs, _ = fleet.RouteOf(path)
	native := strings.HasPrefix(path, "/api/")
	switch path {
	case "/api/chat", "/api/generate", "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages":
		a.computes, a.generates, a.streams = true, true, native
	case "/api/embed", "/api/embeddings", "/v1/embeddings":
		a.computes = true
	default:
		return a
	}
	s := scanner{data: body}
	var prompt []byte
	var salt uint64
	s.fields(func(name []byte) {
		bulk := s.bulk
		switch string(name) {
		case "messages", "prompt", "input":
			if raw := s.value(); len(raw) > len(prompt) {
				prompt = raw
			}
			a.promptBytes += weight(&s, bulk)
		case "system", "instructions", "tools", "template", "context":
			raw := s.value()
			salt = salt*31 + maphash.Bytes(seed, raw)
			a.promptBytes += len(raw)
		case "stream":
			a.streams = string(s.value()) == "true"
		case "keep_alive":
			a.unloads = native && isZero(s.value())
		case "max_tokens", "max_completion_tokens", "max_output_tokens":
			if n, ok := integer(s.value()); ok && !native {
				a.maxTokens = n
			}
		case "options":
			if native {
				a.readOptions(&s)
			}
		}
	})
	a.promptBytes = max(a.promptBytes+len(trim(prompt)), 0)
	a.generates = a.generates && a.promptBytes > 0 // an empty prompt loads, or unloads, and that is all
	if a.generates {
		a.prefix.take(seed, trim(prompt), salt)
	}
	return a
}

// weight is by how much a value that was just scanned counts for less, or more,
// than its length: bulk is what had been found before it.
func weight(s *scanner, bulk int) int {
	if s.bulk == bulk {
		return 0
	}
	return imageBytes - (s.bulk - bulk)
}

// trim takes off what encloses a prompt, and what therefore is no part of the
// prompt that continues it.
func trim(raw []byte) []byte {
	if len(raw) < 2 {
		return nil
	}
	raw = raw[1:]
	switch raw[len(raw)-1] {
	case ']', '"':
		return raw[:len(raw)-1]
	}
	return raw
}

// readOptions reads Ollama's options.
func (a *ask) readOptions(s *scanner) {
	s.fields(func(name []byte) {
		switch string(name) {
		case "num_predict":
			if n, ok := integer(s.value()); ok && n >= 0 {
				a.maxTokens = n
			}
		case "use_mmap":
			switch string(s.value()) {
			case "true":
				a.options.setMMap(true)
			case "false":
				a.options.setMMap(false)
			}
		default:
			for o, known := range optionNames {
				if known == string(name) {
					if n, ok := integer(s.value()); ok {
						a.options.set(option(o), n)
					}
				}
			}
		}
	})
}

// integer reads a number as Ollama does: its fraction is cut off.
func integer(raw []byte) (int, bool) {
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || f > 1<<31-1 || f < -1<<31 {
		return 0, false
	}
	return int(f), true
}

// isZero reports whether a keep-alive is zero, in any of its forms.
func isZero(raw []byte) bool {
	switch string(raw) {
	case "0", "0.0", `"0"`, `"0s"`, `"0m"`, `"0h"`:
		return true
	}
	return false
}
