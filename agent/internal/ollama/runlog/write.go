package runlog

import (
	"bytes"
	"errors"
)

// cut ends a line that was longer than [MaxLine].
const cut = " […]"

var errNoRun = errors.New("output of the program: no run has begun")

// Write adds what the program wrote. Whole lines can be read as soon as it
// returns. A line over [MaxLine] is cut, and the cut is marked.
//
// Write always takes all of b: whoever copies a pipe here must go on after an
// error, such as that of a full disk, or the program would block. Lines that
// could not be written are lost.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return len(b), errNoRun
	}
	var failed error
	for rest := b; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		l.extend(line)
		if ended {
			failed = errors.Join(failed, l.endLine())
		}
		rest = after
	}
	return len(b), failed
}

// extend adds to the line at hand, up to the limit.
func (l *Log) extend(piece []byte) {
	if room := MaxLine - len(cut) - len(l.partial); len(piece) > room && !l.cutting {
		l.partial = append(append(l.partial, piece[:max(room, 0)]...), cut...)
		l.cutting = true
	}
	if !l.cutting {
		l.partial = append(l.partial, piece...)
	}
}

// endLine writes the line at hand. It is written at once and as a whole, so a
// reader sees either none of it or all of it.
func (l *Log) endLine() error {
	if len(l.partial) == 0 && !l.cutting {
		return nil // an empty line says nothing
	}
	line := append(l.partial, '\n')
	l.partial, l.cutting = l.partial[:0], false
	now := &l.parts[len(l.parts)-1]
	if now.size > 0 && now.size+int64(len(line)) > l.limits.PartBytes {
		full := l.file
		if err := l.open(partID{run: now.id.run, part: now.id.part + 1}); err != nil {
			return err
		}
		full.Close() // nothing is buffered that this could lose
		now = &l.parts[len(l.parts)-1]
	}
	n, err := l.file.WriteAt(line, now.size)
	if err != nil || n < len(line) {
		return err // the next line goes over what was written of this one
	}
	now.size += int64(n)
	close(l.grown)
	l.grown = make(chan struct{})
	return nil
}
