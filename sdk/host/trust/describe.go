package trust

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/plugin"
)

// Bounds of asking a program what it is.
const (
	describeTimeout = 10 * time.Second
	maxDescription  = 1 << 20
)

// Describe runs a program to learn what it is, and returns its entry for a lock: for
// when an operator has decided to trust it. The entry is of the bytes that were run.
func Describe(ctx context.Context, path string) (Entry, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Entry{}, fault.Wrap(fault.NotFound, err, "there is no plugin %s", path)
	}
	if reason := Unfit(info); reason != "" {
		return Entry{}, fault.New(fault.Invalid, "%s is no plugin: %s", path, reason)
	}
	f, err := os.Open(path)
	if err != nil {
		return Entry{}, err
	}
	defer f.Close() // it was only read
	sum, err := host.Digest(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		return Entry{}, err
	}
	description, err := describe(ctx, f, path)
	if err != nil {
		return Entry{}, fault.Wrap(fault.Invalid, err, "%s does not say what plugin it is", path)
	}
	e := Entry{
		Kind: description.Kind, Name: description.Name, Version: description.Version, Publisher: description.Publisher,
		SHA256: map[string]string{Platform: sum},
	}
	return e, e.check()
}

func describe(ctx context.Context, executable *os.File, path string) (plugin.Description, error) {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "describe")
	cmd.Path = "/proc/self/fd/3" // of the child: what is run is what was read
	cmd.ExtraFiles = []*os.File{executable}
	cmd.Env, cmd.Dir, cmd.WaitDelay = []string{}, "/", time.Second
	var out bytes.Buffer
	cmd.Stdout = &bounded{&out, maxDescription}
	if err := cmd.Run(); err != nil {
		return plugin.Description{}, err
	}
	var d plugin.Description
	err := json.Unmarshal(out.Bytes(), &d)
	return d, err
}

// bounded fails when too much is written to it.
type bounded struct {
	to   io.Writer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(p) > b.left {
		return 0, fault.New(fault.TooLarge, "it says more than %d bytes", maxDescription)
	}
	b.left -= len(p)
	return b.to.Write(p)
}

// TrustFile adds a program to a lock file, which is made where it is missing, as the
// one of its plugin that is run. The program is run once, to learn what it is.
func TrustFile(ctx context.Context, lockPath, path string) (Entry, error) {
	lock, err := ReadLock(lockPath)
	if err != nil {
		return Entry{}, err
	}
	e, err := Describe(ctx, path)
	if err != nil {
		return Entry{}, err
	}
	if err := lock.Trust(e); err != nil {
		return Entry{}, err
	}
	return e, lock.Write(lockPath)
}
