// Package stage holds what a benchmark has started and made, and clears it
// away in the end.
package stage

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
)

// Stage is for one goroutine.
type Stage struct {
	dir   string
	stops []func() error // in the order of the starts
}

// New makes a stage with an empty folder of its own. It must be closed.
func New() (*Stage, error) {
	dir, err := os.MkdirTemp("", "corral-bench-")
	if err != nil {
		return nil, err
	}
	// Workers of nginx run as another user where the benchmark runs as root.
	return &Stage{dir: dir}, os.Chmod(dir, 0o755)
}

// Folder makes a folder that lasts as long as the stage.
func (s *Stage) Folder(name string) (string, error) {
	dir := filepath.Join(s.dir, name)
	return dir, os.Mkdir(dir, 0o755)
}

// Path returns the path of something in the stage's folder that need not exist.
func (s *Stage) Path(name string) string { return filepath.Join(s.dir, name) }

// Add registers what ends something that was started.
func (s *Stage) Add(stop func() error) { s.stops = append(s.stops, stop) }

// Close ends everything in the reverse order of its start and removes the
// files. It returns err, what the benchmark itself came to. When that is nil,
// it returns what went wrong in ending; after a failure, that a part ended
// early is no news.
func (s *Stage) Close(err error) error {
	for _, stop := range slices.Backward(s.stops) {
		if e := stop(); err == nil {
			err = e
		}
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}
