// Package runlog keeps what a program wrote, run by run, in files of bounded
// size, and lets it be read back and followed.
//
// A run is one life of the program. Its lines go to parts of at most
// [Limits.PartBytes], of which the newest [Limits.Parts] are kept, as are the
// newest [Limits.Runs] runs. The files are plain text, one line of the program
// to a line, named run-RRRRRRRR-PPPPPPPP.log.
package runlog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// MaxLine is the length in bytes at which a line is cut.
const MaxLine = 64 << 10

// Limits bound what is kept. A zero field takes the default.
type Limits struct {
	PartBytes int64 // default 4 MiB
	Parts     int   // of one run; default 2
	Runs      int   // default 5
}

func (l Limits) orDefault() Limits {
	if l.PartBytes <= 0 {
		l.PartBytes = 4 << 20
	}
	if l.Parts <= 0 {
		l.Parts = 2
	}
	if l.Runs <= 0 {
		l.Runs = 5
	}
	return l
}

// Log is the output of a program's runs in one directory. One goroutine writes
// at a time; reading and following may be done by any number meanwhile.
type Log struct {
	dir    string
	limits Limits

	mu      sync.Mutex
	parts   []part // those that exist, oldest first
	file    *os.File
	partial []byte // of a line whose end has not been written yet
	cutting bool   // the line at hand is over its limit already
	grown   chan struct{}
}

// part is one file.
type part struct {
	id   partID
	size int64
}

type partID struct{ run, part int }

func (a partID) compare(b partID) int {
	if a.run != b.run {
		return a.run - b.run
	}
	return a.part - b.part
}

func (a partID) file() string { return fmt.Sprintf("run-%08d-%08d.log", a.run, a.part) }

// New returns the log in a directory, which may not exist yet.
func New(dir string, limits Limits) *Log {
	return &Log{dir: dir, limits: limits.orDefault(), grown: make(chan struct{})}
}

// Begin starts a new run; it makes the directory when it is not there. The runs
// of former processes are kept within the limits and can be read.
func (l *Log) Begin() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.close()
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return fmt.Errorf("output of the program: %w", err)
	}
	if err := l.find(); err != nil {
		return err
	}
	next := partID{run: 1, part: 1}
	if n := len(l.parts); n > 0 {
		next.run = l.parts[n-1].id.run + 1
	}
	return l.open(next)
}

// Close ends the run. What was written of a line without an end is kept as a line.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.close()
}

func (l *Log) close() error {
	if l.file == nil {
		return nil
	}
	err := l.endLine()
	err = errors.Join(err, l.file.Close())
	l.file = nil
	return err
}

// find lists the parts that are there.
func (l *Log) find() error {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return fmt.Errorf("output of the program: %w", err)
	}
	l.parts = l.parts[:0]
	for _, e := range entries {
		var id partID
		if n, err := fmt.Sscanf(e.Name(), "run-%d-%d.log", &id.run, &id.part); n != 2 || err != nil || id.file() != e.Name() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("output of the program: %w", err)
		}
		l.parts = append(l.parts, part{id: id, size: info.Size()})
	}
	slices.SortFunc(l.parts, func(a, b part) int { return a.id.compare(b.id) })
	return nil
}

// open starts a part and removes what is over the limits.
func (l *Log) open(id partID) error {
	f, err := os.OpenFile(filepath.Join(l.dir, id.file()), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("output of the program: %w", err)
	}
	l.file = f
	l.parts = append(l.parts, part{id: id})
	l.parts = slices.DeleteFunc(l.parts, func(p part) bool {
		old := p.id.run <= id.run-l.limits.Runs || p.id.run == id.run && p.id.part <= id.part-l.limits.Parts
		return old && os.Remove(filepath.Join(l.dir, p.id.file())) == nil
	})
	return nil
}
