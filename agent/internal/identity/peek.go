package identity

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Peek returns what the agent whose data directory this is learnt when it
// joined, and whether it has. It changes nothing, and works beside an agent that
// runs. A state that is damaged is fault.Corrupt.
func Peek(dir string) (m Membership, joined bool, err error) {
	r, err := loadRecord(filepath.Join(dir, joinedFile))
	if err != nil || r == nil {
		return Membership{}, false, err
	}
	return r.membership(), true, nil
}

// CheckKey returns what is wrong with the key in a data directory: fault.Corrupt
// where it is damaged, and an error that is os.ErrNotExist where there is none.
func CheckKey(dir string) error {
	_, err := loadKey(filepath.Join(dir, keyFile))
	return err
}

// KeyMode returns the permissions of the key.
func KeyMode(dir string) (os.FileMode, error) {
	info, err := os.Stat(filepath.Join(dir, keyFile))
	if err != nil {
		return 0, err
	}
	return info.Mode().Perm(), nil
}

// HolderOf returns the number of the process that works with a data directory,
// as far as it said so, or 0. It may have ended.
func HolderOf(dir string) int {
	text, err := os.ReadFile(filepath.Join(dir, lockFile))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}

// Reading is a membership for who only looks: there is no key to prove it with,
// and nothing is kept.
type Reading Membership

// PrivateKey returns nil.
func (r Reading) PrivateKey() ed25519.PrivateKey { return nil }

// Joined reports whether there is a membership.
func (r Reading) Joined() bool { return r.HostID != "" }

// Membership returns it.
func (r Reading) Membership() Membership { return Membership(r) }

// SaveJoined refuses.
func (r Reading) SaveJoined(Membership) error {
	return fault.New(fault.Internal, "nothing is kept by who only looks")
}
