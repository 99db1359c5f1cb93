package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"syscall"
)

// entryKind is what an entry of a directory is, as far as that matters here.
type entryKind uint8

// The kinds. Not all file systems tell them.
const (
	unknownEntry entryKind = iota
	fileEntry
	folderEntry
	otherEntry
)

// Where the parts of an entry are, as the system writes it (linux_dirent64).
const (
	lengthAt = 16
	kindAt   = 18
	nameAt   = 19
)

// entriesBuffer is how much of a directory is read at a time.
const entriesBuffer = 64 << 10

// entries calls visit with each entry of an open directory but "." and "..", until one
// fails. The name is good until visit returns. What os.File's ReadDir makes of an entry,
// a value and two strings, would take most of the time of a large directory.
func entries(f *os.File, visit func(name []byte, kind entryKind) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	buffer := make([]byte, entriesBuffer)
	for {
		var n int
		var failed error
		err := raw.Read(func(fd uintptr) bool {
			n, failed = syscall.ReadDirent(int(fd), buffer)
			return failed != syscall.EINTR
		})
		if err == nil {
			err = failed
		}
		if err != nil {
			return os.NewSyscallError("getdents64", err)
		}
		if n == 0 {
			return nil
		}
		for rest := buffer[:n]; len(rest) > nameAt; {
			entry := rest[:binary.NativeEndian.Uint16(rest[lengthAt:])]
			rest = rest[len(entry):]
			name, _, _ := bytes.Cut(entry[nameAt:], []byte{0})
			if string(name) == "." || string(name) == ".." {
				continue
			}
			if err := visit(name, kindOf(entry[kindAt])); err != nil {
				return err
			}
		}
	}
}

func kindOf(t byte) entryKind {
	switch t {
	case syscall.DT_REG:
		return fileEntry
	case syscall.DT_DIR:
		return folderEntry
	case syscall.DT_UNKNOWN:
		return unknownEntry
	}
	return otherEntry
}
