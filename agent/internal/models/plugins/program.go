package plugins

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

const (
	maxProgramBytes = 1 << 30
	programPrefix   = "sha256-"
	unusedFor       = 30 * 24 * time.Hour // after which a program goes
	// What the name of a file begins with that is being fetched, and after how long without
	// a byte it is what a kill has left.
	fetchingPrefix = "fetching-"
	brokenOffFor   = time.Hour
)

var digest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// program returns the path of a plugin's program, which is fetched where it isn't there.
// That its bytes are those of the digest is found out again whenever it is started.
func (p *Plugins) program(ctx context.Context, of *work.Plugin) (path string, err error) {
	if !digest.MatchString(of.SHA256) || of.SizeBytes <= 0 || of.SizeBytes > maxProgramBytes {
		return "", fault.New(fault.Invalid, "the job names no program that could be the plugin %q", of.Name)
	}
	path = filepath.Join(p.dir, programPrefix+of.SHA256)
	now := time.Now()
	if err := os.Chtimes(path, now, now); err == nil {
		return path, nil
	}
	if err := p.fetch(ctx, of, path); err != nil {
		return "", err
	}
	return path, nil
}

// fetch gets a program. It appears when it is whole, and what it should be.
func (p *Plugins) fetch(ctx context.Context, of *work.Plugin, path string) (err error) {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return fetchFault(of, err)
	}
	file, err := p.from.File("the plugin "+of.Name, work.Source{SizeBytes: of.SizeBytes, URLs: of.URLs})
	if err != nil {
		return err
	}
	p.prune(time.Now()) // first: what broke off may be what takes the room
	if err := p.room(of); err != nil {
		return err
	}
	body, err := file.Open(ctx, 0, of.SizeBytes)
	if err != nil {
		return err
	}
	defer body.Close()
	temp, err := os.CreateTemp(p.dir, fetchingPrefix)
	if err != nil {
		return fetchFault(of, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}()
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(temp, sum), body)
	if err == nil {
		err = temp.Chmod(0o700)
	}
	if err := errors.Join(err, temp.Close()); err != nil {
		return fetchFault(of, err)
	}
	if found := hex.EncodeToString(sum.Sum(nil)); found != of.SHA256 {
		return fault.New(fault.Corrupt, "what came as the plugin %q has the sha256 %s, and should have %s; it is not run", of.Name, found, of.SHA256).On(fault.Service)
	}
	return os.Rename(temp.Name(), path)
}

// room says that the disk has no room for a program, where it tells.
func (p *Plugins) room(of *work.Plugin) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(p.dir, &disk); err != nil || disk.Blocks == 0 {
		return nil //nolint:nilerr // then the writing says it
	}
	free := int64(disk.Bavail) * disk.Bsize
	if of.SizeBytes <= free {
		return nil
	}
	return fault.New(fault.NoSpace, "the plugin %q has %d bytes, and the disk of the agent's data directory on this host has %d free: it needs %d more",
		of.Name, of.SizeBytes, free, of.SizeBytes-free).On(fault.Host)
}

func fetchFault(of *work.Plugin, err error) error {
	return fault.Wrap(fault.KindOf(err), err, "the plugin %q could not be brought to this host", of.Name).On(fault.Host)
}

// prune deletes programs that nobody has used for long, and what broke off.
func (p *Plugins) prune(now time.Time) {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return // it is tried again with the next one
	}
	for _, e := range entries {
		after := unusedFor
		if strings.HasPrefix(e.Name(), fetchingPrefix) {
			after = brokenOffFor
		}
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > after {
			_ = os.Remove(filepath.Join(p.dir, e.Name())) // as above
		}
	}
}
