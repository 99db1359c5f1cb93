package ollama

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/corral-fleet/corral/agent/internal/ollama/systemd"
)

const (
	cursorFile = "journal.cursor" // the place in the journal up to which its output was taken
	// cursorEvery is how often the place is kept. An agent that is killed takes as
	// much of the output twice.
	cursorEvery = time.Second
	// journalRetry is how long after the journal was lost it is tried again.
	journalRetry = 5 * time.Second
)

// keepOutput keeps what the unit prints, from where the last agent left off, a run
// of the output for each of its lives, until ctx is done.
func (m *unitManager) keepOutput(ctx context.Context) {
	path := filepath.Join(m.cfg.DataDir, cursorFile)
	cursor, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.log.Warn("the place in the journal is not known", "error", err)
	}
	j := &journal{m: m, path: path, cursor: strings.TrimSpace(string(cursor))}
	told := false
	for {
		err := m.unit.Follow(ctx, j.cursor, j.take)
		j.keep()
		if ctx.Err() != nil {
			break
		}
		if !told {
			m.log.Warn("output of ollama is not kept", "unit", m.unit.Name, "error", err)
		}
		told = true
		select {
		case <-ctx.Done():
		case <-time.After(journalRetry):
		}
	}
	if err := m.output.Close(); err != nil {
		m.log.Warn("output of ollama not written to its end", "error", err)
	}
}

// journal takes the entries of the journal into the output.
type journal struct {
	m          *unitManager
	path       string
	cursor     string // the place after the last one
	kept       time.Time
	began      bool
	invocation string
}

func (j *journal) take(e systemd.Entry) error {
	if !j.began || e.Invocation != "" && e.Invocation != j.invocation {
		if err := j.m.output.Begin(); err != nil {
			return err
		}
		j.began, j.invocation = true, e.Invocation
	}
	if _, err := j.m.output.Write([]byte(e.Message + "\n")); err != nil {
		return err
	}
	j.cursor = e.Cursor
	if time.Since(j.kept) >= cursorEvery {
		j.keep()
	}
	return nil
}

// keep keeps the place. Without it, some output is taken twice.
func (j *journal) keep() {
	j.kept = time.Now()
	if j.cursor == "" {
		return
	}
	if err := replaceFile(j.path, j.cursor+"\n"); err != nil {
		j.m.log.Debug("the place in the journal is not kept", "error", err)
	}
}
