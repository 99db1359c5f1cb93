package identity

import (
	"os"
	"path/filepath"
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
