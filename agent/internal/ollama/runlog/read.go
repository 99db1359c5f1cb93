package runlog

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Position is a place between two lines. The zero Position is before the first
// line that is kept; positions can be compared for equality and be kept across
// restarts of the process.
type Position struct {
	Run, Part int
	Offset    int64 // bytes into the part
}

// Line is a line of the program, without its end.
type Line struct {
	Text string
	Next Position // the place after it
}

// Tail returns the last n lines that are kept, oldest first, from former runs
// as well, and the position after them. It returns fewer where there are fewer.
func (l *Log) Tail(n int) ([]Line, Position, error) {
	l.mu.Lock()
	parts, err := slices.Clone(l.parts), error(nil)
	if len(parts) == 0 { // before the first run of this process
		if err = l.find(); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		parts = slices.Clone(l.parts)
	}
	l.mu.Unlock()
	if err != nil || len(parts) == 0 {
		return nil, Position{}, err
	}
	last := parts[len(parts)-1]
	end := Position{Run: last.id.run, Part: last.id.part, Offset: last.size}
	var lines []Line
	for i := len(parts) - 1; i >= 0 && len(lines) < n; i-- {
		older, err := l.tailOf(parts[i], n-len(lines))
		if err != nil {
			return nil, Position{}, err
		}
		lines = append(older, lines...)
	}
	return lines, end, nil
}

// tailOf returns the last n lines of a part. It reads from the end, in growing pieces.
func (l *Log) tailOf(p part, n int) ([]Line, error) {
	f, err := os.Open(filepath.Join(l.dir, p.id.file()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // removed meanwhile, as over the limits
	}
	if err != nil {
		return nil, fmt.Errorf("output of the program: %w", err)
	}
	defer f.Close()
	for piece := int64(MaxLine); ; piece *= 4 {
		from := max(p.size-piece, 0)
		b := make([]byte, p.size-from)
		if _, err := f.ReadAt(b, from); err != nil && err != io.EOF {
			return nil, fmt.Errorf("output of the program: %w", err)
		}
		if from > 0 {
			_, whole, _ := bytes.Cut(b, []byte("\n"))
			from, b = p.size-int64(len(whole)), whole
		}
		if from > 0 && bytes.Count(b, []byte("\n")) < n {
			continue
		}
		var lines []Line
		for line := range bytes.Lines(b) {
			from += int64(len(line))
			lines = append(lines, Line{
				Text: string(bytes.TrimSuffix(line, []byte("\n"))),
				Next: Position{Run: p.id.run, Part: p.id.part, Offset: from},
			})
		}
		return lines[max(len(lines)-n, 0):], nil
	}
}

// Follow calls fn with every line after a position, in order, each once, and
// waits for more until ctx is done or fn fails; it returns that error. Lines
// that were removed as over the limits before fn had taken them are left out:
// the first call after a place where that may have happened has lost set.
func (l *Log) Follow(ctx context.Context, from Position, fn func(line Line, lost bool) error) error {
	at := from
	for {
		l.mu.Lock()
		p, lost, ok := l.partAt(at)
		grown := l.grown
		l.mu.Unlock()
		if !ok {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-grown:
			}
			continue
		}
		if p.id != (partID{at.Run, at.Part}) {
			at = Position{Run: p.id.run, Part: p.id.part}
		}
		next, err := l.readPart(ctx, p, at, lost, fn)
		if err != nil {
			return err
		}
		at = next
	}
}

// partAt returns the part in which the line after a position is, or false when
// that line has not been written yet. It tells whether lines may have been
// removed between the two.
func (l *Log) partAt(at Position) (p part, lost, ok bool) {
	former := partID{at.Run, at.Part}
	for i, p := range l.parts {
		switch order := p.id.compare(former); {
		case order < 0:
			continue
		case order == 0 && p.size > at.Offset:
			return p, false, true
		case order > 0 && at != Position{}:
			succeeds := p.id == partID{former.run, former.part + 1} || p.id == partID{former.run + 1, 1}
			seen := i > 0 && l.parts[i-1].id == former
			lost = lost || !succeeds || !seen
		}
		if order := p.id.compare(former); order > 0 && p.size > 0 {
			return p, lost, true
		}
		former = p.id
	}
	return part{}, false, false
}

func (l *Log) readPart(ctx context.Context, p part, at Position, lost bool, fn func(Line, bool) error) (Position, error) {
	f, err := os.Open(filepath.Join(l.dir, p.id.file()))
	if errors.Is(err, fs.ErrNotExist) {
		return Position{Run: p.id.run, Part: p.id.part, Offset: p.size}, nil // removed meanwhile, as over the limits
	}
	if err != nil {
		return at, fmt.Errorf("output of the program: %w", err)
	}
	defer f.Close()
	lines := bufio.NewReader(io.NewSectionReader(f, at.Offset, p.size-at.Offset))
	for {
		text, err := lines.ReadBytes('\n')
		if err != nil {
			return Position{Run: p.id.run, Part: p.id.part, Offset: p.size}, nil // all that was there
		}
		at.Offset += int64(len(text))
		if err := fn(Line{Text: string(text[:len(text)-1]), Next: at}, lost); err != nil {
			return at, err
		}
		lost = false
		if ctx.Err() != nil {
			return at, ctx.Err()
		}
	}
}
