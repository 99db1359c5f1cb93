package relay

import "bytes"

// Ending is how a stream tells that it is whole: by a line that begins in a
// certain way or, in Ollama's own protocol, by an object that says it is done.
// An error that Ollama itself reports is an ending too: the client has been told.
type Ending uint8

// The endings of the streams that Ollama speaks.
const (
	OllamaEnding    Ending = iota // of Ollama's own lines of JSON
	OpenAIEnding                  // of OpenAI's completions
	ResponsesEnding               // of OpenAI's responses
	AnthropicEnding               // of Anthropic's messages
	ProgressEnding                // of Ollama's reports on a pull, a push or a creation
)

// begins reports whether a line that begins with head is an ending by that alone.
func (e Ending) begins(head []byte) bool {
	has := func(prefix string) bool { return len(head) >= len(prefix) && string(head[:len(prefix)]) == prefix }
	switch e {
	case OllamaEnding:
		return has(`{"error":`)
	case OpenAIEnding:
		return has("data: [DONE]") || has(`data: {"error":`)
	case ResponsesEnding:
		return has("event: response.completed") || has("event: response.incomplete") ||
			has("event: response.failed") || has("event: error")
	case AnthropicEnding:
		return has("event: message_stop") || has("event: error")
	case ProgressEnding:
		return has(`{"status":"success"`) || has(`{"error":`)
	}
	return false
}

const (
	// maxPrefix is more than the longest beginning that is looked for.
	maxPrefix = 32
	// doneMark can't stand inside a string, where its quotes would be escaped.
	// It can stand in an object inside the line, such as the arguments of a
	// tool call; it counts only when the object that has it ends the line.
	doneMark = `"done":true`
)

// watch looks for an ending in a stream that passes by in pieces of any size.
// It parses nothing, keeps nothing but a few bytes, and stops looking once it
// has seen one.
type watch struct {
	ending Ending
	seen   bool
	broken bool // the last byte was within a line

	head  [maxPrefix]byte // the current line's first bytes
	heads int
	tail  [len(doneMark) - 1]byte // the current line's last bytes
	tails int

	behind  bool // a mark has been passed in this line; what follows decides
	depth   int  // of objects and lists opened since
	quoted  bool
	escaped bool
	closed  bool // the object with the mark has ended
}

// scan looks at the next piece.
func (w *watch) scan(p []byte) {
	for len(p) > 0 && !w.seen {
		end := bytes.IndexByte(p, '\n')
		w.broken = end < 0
		if end < 0 {
			w.part(p)
			return
		}
		w.part(p[:end])
		w.finish()
		w.heads, w.tails, w.behind = 0, 0, false
		p = p[end+1:]
	}
}

// finish judges a line at its end, or the stream's.
func (w *watch) finish() { w.seen = w.seen || w.behind && w.closed }

// part looks at a part of a line.
func (w *watch) part(line []byte) {
	if w.heads < maxPrefix {
		w.heads += copy(w.head[w.heads:], line)
		if w.ending.begins(w.head[:w.heads]) {
			w.seen = true
			return
		}
	}
	if w.ending != OllamaEnding {
		return
	}
	for len(line) > 0 {
		if w.behind {
			line = w.follow(line)
		} else {
			line = w.find(line)
		}
	}
}

// find looks for the mark and returns what is behind it.
func (w *watch) find(line []byte) []byte {
	const most = len(doneMark) - 1
	if w.tails > 0 { // the mark may have begun in the piece before
		var joint [2 * most]byte
		n := copy(joint[:], w.tail[:w.tails])
		n += copy(joint[n:], line[:min(len(line), most)])
		if at := bytes.Index(joint[:n], []byte(doneMark)); at >= 0 {
			return w.found(line[at+len(doneMark)-w.tails:])
		}
	}
	if _, rest, ok := bytes.Cut(line, []byte(doneMark)); ok {
		return w.found(rest)
	}
	if kept := most - len(line); kept > 0 && w.tails > kept {
		copy(w.tail[:], w.tail[w.tails-kept:w.tails])
		w.tails = kept
	} else if kept <= 0 {
		w.tails = 0
	}
	w.tails += copy(w.tail[w.tails:], line[max(0, len(line)-most):])
	return nil
}

func (w *watch) found(rest []byte) []byte {
	w.tails, w.behind, w.depth, w.quoted, w.escaped, w.closed = 0, true, 0, false, false, false
	return rest
}

// follow goes on to the end of the object that has the mark. When anything
// stands behind that, the mark was one of an inner object, and follow returns
// the rest of the line.
func (w *watch) follow(line []byte) []byte {
	for i, c := range line {
		switch {
		case w.closed:
			if c != ' ' && c != '\r' && c != '\t' {
				w.behind = false
				return line[i:]
			}
		case w.quoted:
			w.quoted = w.escaped || c != '"'
			w.escaped = !w.escaped && c == '\\'
		case c == '"':
			w.quoted = true
		case c == '{' || c == '[':
			w.depth++
		case c == '}' || c == ']':
			w.closed = w.depth == 0
			w.depth--
		}
	}
	return nil
}
