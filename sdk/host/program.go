// Package host is the door for programs that have plugins: it starts them, knows
// when and why they end, and gives out what they serve.
//
// A plugin is a stranger's program. It is started only with the bytes that were
// trusted, without the host's environment; it ends when its host does, whatever
// becomes of either; and whatever it prints harms nobody.
package host

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Program is a plugin that can be started.
type Program struct {
	Path   string // of its executable
	SHA256 string // of the executable's bytes, in hexadecimal: nothing else is run

	// File, if it is not nil, is the executable, open: it is run even where Path is
	// another one by now.
	File *os.File

	// RunDir is where its sockets are put, a directory that only this user can
	// enter. Addresses of sockets are short: so is this to be.
	RunDir string

	// Env is all of its environment, but for what the handshake needs.
	Env []string

	// Log gets what it logs and prints.
	Log hclog.Logger

	// NoDataSocket has the bytes of objects pass through gRPC, as they do with plugins
	// that offer no socket for them.
	NoDataSocket bool

	// Redact, if it is not nil, returns a line that the plugin has printed as it may
	// be logged and kept.
	Redact func(line string) string

	// StartTimeout is how long it may take until it serves; 0 is [DefaultStartTimeout].
	StartTimeout time.Duration
	// StopTimeout is how long it may take to end by itself; 0 is [DefaultStopTimeout].
	StopTimeout time.Duration
}

// What holds where a program says nothing else.
const (
	DefaultStartTimeout = 30 * time.Second
	DefaultStopTimeout  = 5 * time.Second
)

// Digest returns the sha256 of a file's bytes, in hexadecimal.
func Digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() // it was only read
	return digest(f)
}

func digest(f io.Reader) (string, error) {
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// verified opens the executable, if its bytes are those that are trusted. What is
// run is what was opened, even if the path leads elsewhere by then.
func (p *Program) verified() (*os.File, error) {
	path := p.Path
	if p.File != nil {
		path = fmt.Sprintf("/proc/self/fd/%d", p.File.Fd())
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, err, "the plugin's program is not there").On(fault.Plugin)
	}
	sum, err := digest(f)
	if err == nil && sum != p.SHA256 {
		err = fault.New(fault.Forbidden, "%s is not the program that is trusted: its sha256 is %s", p.Path, sum).On(fault.Plugin)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// socketRoom is what is put behind RunDir in the address of a socket.
const socketRoom = len("/plugin-dir4294967295/plugin4294967295")

// maxSocketPath is how long the address of a socket may be, of Linux.
const maxSocketPath = 107

func (p *Program) checkRunDir() error {
	if n := len(p.RunDir) + socketRoom; n > maxSocketPath {
		return fault.New(fault.Invalid, "the directory %s is too long for sockets, by %d bytes", p.RunDir, n-maxSocketPath)
	}
	info, err := os.Stat(p.RunDir)
	if err != nil {
		return err
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return fault.New(fault.Invalid, "%s is not a directory that only its owner can enter (%v)", p.RunDir, info.Mode())
	}
	return nil
}

// Exit is how a plugin's process ended.
type Exit struct {
	At     time.Time
	How    string   // such as "exit status 1" or "signal: killed"
	Signal string   // that ended it, such as "killed"; "" is none
	Clean  bool     // it ended with status 0, or because it was stopped
	Latest []string // the last lines that it printed

	// OutOfMemory is that the kernel has ended it because its memory, or that of all
	// beside it, was at its bound.
	OutOfMemory bool
	// Killed is that somebody else has killed it, neither the kernel nor its host: it
	// is no failure of the plugin's.
	Killed bool
}

// String returns how it ended, with its last line.
func (e Exit) String() string {
	if len(e.Latest) == 0 {
		return e.Cause()
	}
	return fmt.Sprintf("%s, and its last line was %q", e.Cause(), e.Latest[len(e.Latest)-1])
}

// Cause returns how it ended, without what it has printed.
func (e Exit) Cause() string {
	if e.OutOfMemory {
		return e.How + " for want of memory"
	}
	return e.How
}

// exitError is part of the error of a start whose process has ended.
type exitError struct{ exit Exit }

func (e exitError) Error() string { return e.exit.Cause() }

// ExitOf returns how the process ended whose start an error is of.
func ExitOf(err error) (exit Exit, ok bool) {
	e, ok := errors.AsType[exitError](err)
	return e.exit, ok
}
