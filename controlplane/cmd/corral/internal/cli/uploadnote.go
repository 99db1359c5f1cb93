package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

// noteKept is how long a note lies around that nobody comes back to. No control plane
// keeps an upload as long.
const noteKept = 30 * 24 * time.Hour

// note is what a later run of the program needs to go on with an upload: a file for each
// control plane, file as it is, and what is wanted of it. It is locked, so that two runs
// don't take the upload from each other. Without a home directory nothing is noted.
type note struct {
	file  *os.File // nil where nothing is noted
	state client.UploadState
	warn  io.Writer
}

// takeNote returns the note of an upload. That another run is at it is fault.Conflict.
func (s *session) takeNote(path string, u *client.ModelUpload) (*note, error) {
	n := &note{warn: s.Stderr}
	folder := s.noteFolder()
	name, err := noteName(s.server, path, u)
	if folder == "" || err != nil {
		return n, err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		n.complain(err)
		return n, nil
	}
	sweepNotes(folder)
	if n.file, err = os.OpenFile(filepath.Join(folder, name), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		n.complain(err)
		return n, nil
	}
	if err := lock(n.file); err != nil {
		n.file.Close() // it was only opened
		return nil, fault.Wrap(fault.Conflict, err, "another corral uploads %s just now", path)
	}
	text, err := io.ReadAll(io.LimitReader(n.file, maxKeyFile))
	if err != nil || len(text) > 0 && json.Unmarshal(text, &n.state) != nil {
		n.state = client.UploadState{} // of a run that was killed while it wrote
	}
	return n, nil
}

// noteFolder is where notes are; empty is nowhere.
func (s *session) noteFolder() string {
	if state := s.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "corral", "uploads")
	}
	if home := s.Getenv("HOME"); home != "" {
		return filepath.Join(home, ".local", "state", "corral", "uploads")
	}
	return ""
}

// noteName is another one for whatever makes another upload. A server's address may have a
// key in it, and is not to be read from it.
func noteName(server, path string, u *client.ModelUpload) (string, error) {
	whole, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	is, err := os.Stat(path)
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "the file can't be read").On(fault.Caller)
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%q %q %d %d %q %q %q %q %q %q", server, whole, is.Size(), is.ModTime().UnixNano(), u.Name, u.Description, u.Storage, u.Quantize, u.From, u.Hosts)
	return hex.EncodeToString(sum.Sum(nil)[:16]) + ".json", nil
}

// sweepNotes removes notes that nobody came back to. What can't be removed is of no harm.
func sweepNotes(folder string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, e := range entries {
		if is, err := e.Info(); err == nil && time.Since(is.ModTime()) > noteKept {
			_ = os.Remove(filepath.Join(folder, e.Name()))
		}
	}
}

// keep notes a state. The zero state removes the note.
func (n *note) keep(state client.UploadState) {
	if n.file == nil {
		return
	}
	n.state = state
	text, err := json.Marshal(state)
	if state == (client.UploadState{}) {
		text = nil
	}
	if err == nil {
		err = errors.Join(n.file.Truncate(0), rewrite(n.file, text))
	}
	if err != nil {
		n.complain(err)
	}
}

func rewrite(f *os.File, text []byte) error {
	_, err := f.WriteAt(text, 0)
	return err
}

func (n *note) complain(err error) {
	fmt.Fprintf(n.warn, "corral: a later run can't go on with this upload: %s\n", printable(err.Error()))
}

// close lets go of the note, which is removed where there is nothing to go on with.
func (n *note) close() {
	if n.file == nil {
		return
	}
	if n.state == (client.UploadState{}) {
		_ = os.Remove(n.file.Name()) // an empty one does no harm
	}
	n.file.Close() // what it says was written before
}
