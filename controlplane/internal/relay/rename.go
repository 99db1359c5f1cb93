package relay

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// asAsked has an answer call its model by the alias that it was asked for by. Ollama repeats
// the name that it was asked by, and so do we: clients compare it. Of an id or a digest,
// which no Ollama takes, the answer says the name.
func asAsked(answer *fleet.Answer, asked string) {
	if _, digest := fleet.SplitDigest(asked); !answer.Renamed || digest != "" || asked == fleet.ModelID(answer.Model) {
		return
	}
	theirs, err := json.Marshal(answer.Model)
	if err != nil {
		return // no name is like that
	}
	ours, err := json.Marshal(asked)
	if err != nil {
		return
	}
	const field = `"model":`
	answer.Body = &renaming{ReadCloser: answer.Body, theirs: append([]byte(field), theirs...), ours: append([]byte(field), ours...)}
	answer.Length = -1 // which the other name changes
}

// renaming is an answer's body with another name in it. In each line it is the first that is
// the model's: where there are more, they stand in something that the model said. Lines are
// passed on as they come, but for an end that may be the beginning of the name.
type renaming struct {
	io.ReadCloser

	theirs, ours []byte // the field with the name
	found        bool   // in this line
	held         []byte // what may be the beginning of theirs
	out          []byte // what is to be read next
	room         []byte // the memory of out
	ended        error
}

// Read implements [io.Reader].
func (r *renaming) Read(p []byte) (int, error) {
	for len(r.out) == 0 {
		if r.ended != nil {
			return 0, r.ended
		}
		n, err := r.ReadCloser.Read(p)
		r.room = r.room[:0]
		r.take(p[:n])
		if r.ended = err; err != nil {
			r.room = append(r.room, r.held...)
			r.held = nil
		}
		r.out = r.room
		if n == 0 && err == nil {
			return 0, nil
		}
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}

// take puts what was read to what is to be read next.
func (r *renaming) take(read []byte) {
	if len(r.held) > 0 {
		read = append(r.held, read...)
		r.held = nil
	}
	for len(read) > 0 {
		line, rest, whole := bytes.Cut(read, []byte("\n"))
		if !r.found {
			if before, after, is := bytes.Cut(line, r.theirs); is {
				r.room = append(append(r.room, before...), r.ours...)
				r.found = true
				line = after
			}
		}
		if !whole {
			if !r.found {
				kept := r.beginning(line)
				r.held = bytes.Clone(line[len(line)-kept:])
				line = line[:len(line)-kept]
			}
			r.room = append(r.room, line...)
			return
		}
		r.room = append(append(r.room, line...), '\n')
		r.found = false
		read = rest
	}
}

// beginning returns how many bytes at the end of a piece may be the beginning of the name.
func (r *renaming) beginning(piece []byte) int {
	for n := min(len(piece), len(r.theirs)-1); n > 0; n-- {
		if bytes.HasPrefix(r.theirs, piece[len(piece)-n:]) {
			return n
		}
	}
	return 0
}
