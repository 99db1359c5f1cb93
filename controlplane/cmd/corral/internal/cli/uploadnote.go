package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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

// maxNote bounds a note, in bytes: that of a thousand files has 70 KB.
const maxNote = 1 << 20

// note is what a later run of the program needs to go on with an upload: a file for each
// control plane, the files as they are, and what is wanted of them. It is locked, so that two runs
// don't take the upload from each other. Without a home directory nothing is noted.
type note struct {
	file  *os.File // nil where nothing is noted
	state client.UploadState
	warn  io.Writer
}

// takeNote returns the note of an upload. That another run is at it is fault.Conflict.
func (s *session) takeNote(files []localFile, u *client.ModelUpload) (*note, error) {
	n := &note{warn: s.Stderr}
	folder := s.noteFolder()
	name, err := noteName(s.server, files, u)
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
	switch taken, err := lock(n.file); {
	case taken:
		n.file.Close() // it was only opened
		return nil, fault.New(fault.Conflict, "another corral uploads %s just now", named(u.Files))
	case err != nil:
		n.complain(err)
		n.file.Close() // as above
		n.file = nil
		return n, nil
	}
	text, err := io.ReadAll(io.LimitReader(n.file, maxNote))
	if err != nil || len(text) > 0 && json.Unmarshal(text, &n.state) != nil {
		n.state = client.UploadState{} // of a run that was killed while it wrote, or of another version
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
func noteName(server string, files []localFile, u *client.ModelUpload) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%q %q %q %q %q %q %q", server, u.Name, u.Description, u.Storage, u.Quantize, u.From, u.Hosts)
	for _, f := range files {
		whole, err := filepath.Abs(f.path)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, " %q %d %d", whole, f.is.Size(), f.is.ModTime().UnixNano())
	}
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
	var text []byte
	var err error
	if !state.IsZero() {
		text, err = json.Marshal(state)
	}
	if err == nil {
		_, err = n.file.WriteAt(text, 0) // and then the rest goes, so that a kill never finds it empty
	}
	if err == nil {
		err = n.file.Truncate(int64(len(text)))
	}
	if err != nil {
		n.complain(err)
	}
}

func (n *note) complain(err error) {
	fmt.Fprintf(n.warn, "corral: a later run can't go on with this upload: %s\n", printable(err.Error()))
}

// close lets go of the note, which is removed where there is nothing to go on with.
func (n *note) close() {
	if n.file == nil {
		return
	}
	if n.state.IsZero() {
		_ = os.Remove(n.file.Name()) // an empty one does no harm
	}
	n.file.Close() // what it says was written before
}
