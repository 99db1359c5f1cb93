package controlplane

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

// runFile is where in the data directory the last run is noted.
const runFile = "run.json"

// run is one time that a server served from a data directory.
type run struct {
	Version   string            `json:"version"`
	PID       int               `json:"pid"`
	StartedAt time.Time         `json:"started_at"`
	Address   string            `json:"address"`           // at which it listens
	AtStart   map[string]string `json:"at_start"`          // the settings that a change of has to wait for the next start, by path
	EndedAt   time.Time         `json:"ended_at,omitzero"` // zero of one that goes on, or that was killed
	Broken    *brokenRun        `json:"broken,omitempty"`  // the last one before it that was killed, or crashed
}

// brokenRun is one that came to no end of its own.
type brokenRun struct {
	Version   string    `json:"version"`
	StartedAt time.Time `json:"started_at"`
	FoundAt   time.Time `json:"found_at"` // when the next one started
}

// readRun returns the last run that was noted, or nil where none was or where it
// can't be read: it is for people, and nothing depends on it.
func readRun(dir string) *run {
	content, err := os.ReadFile(filepath.Join(dir, runFile))
	if err != nil {
		return nil
	}
	var r run
	if json.Unmarshal(content, &r) != nil {
		return nil
	}
	return &r
}

// note notes the run, whole or not at all.
func (r *run) note(dir string) error {
	content, err := json.Marshal(r)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, runFile)
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// begin notes that this server listens, and says it where the one before came to no
// end of its own. ended notes its end.
func (c *ControlPlane) begin(address string, atStart map[string]string) (ended func()) {
	dir := c.loaded.Config.DataDir
	r := &run{Version: c.version, PID: os.Getpid(), StartedAt: c.now().UTC(), Address: address, AtStart: atStart}
	if before := readRun(dir); before != nil {
		r.Broken = before.Broken
		if before.EndedAt.IsZero() {
			r.Broken = &brokenRun{Version: before.Version, StartedAt: before.StartedAt, FoundAt: r.StartedAt}
			c.log.Warn("the last run was killed or crashed", "started_at", before.StartedAt, "version", before.Version)
		}
	}
	c.note(r)
	return func() {
		r.EndedAt = c.now().UTC()
		c.note(r)
	}
}

func (c *ControlPlane) note(r *run) {
	if err := r.note(c.loaded.Config.DataDir); err != nil {
		c.log.Warn("run not noted", "error", err)
	}
}
