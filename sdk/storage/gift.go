package storage

import (
	"encoding/hex"
	"io"
	"os"
)

// Gift is what a source opens whose file is given away with it: from then on
// nobody writes to that file, and its other names are only removed. A backend may keep the
// file itself, by a link to it or by sharing its blocks. One that can't reads it, as it
// reads any other source.
type Gift interface {
	io.ReadCloser

	// Accept returns the file and its sha256, in hexadecimal, as soon as whoever gives it
	// has committed to that; an error is that nothing may be stored. The file is open for
	// reading, is all that there is to read here, and is closed with the reader. Nobody
	// has looked whether the sha256 is that of the file since it was written.
	Accept() (f *os.File, sha256 string, err error)
}

// Given returns a source of a file that is given away, see [Gift]. Its sha256, in
// hexadecimal, is known to whoever gives it. The backend may change its mode and time, and
// its owner and group.
func Given(path, sha256 string) (Source, error) {
	if sum, err := hex.DecodeString(sha256); err != nil || len(sum) != 32 {
		return nil, invalid("%q is no sha256", sha256)
	}
	src, err := File(path)
	if err != nil {
		return nil, err
	}
	return given{src, sha256}, nil
}

type given struct {
	Source
	sha256 string
}

func (g given) Open() (io.ReadCloser, error) {
	in, err := g.Source.Open()
	if err != nil {
		return nil, err
	}
	return gift{in.(*os.File), g.sha256}, nil
}

type gift struct {
	*os.File
	sha256 string
}

func (g gift) Accept() (*os.File, string, error) { return g.File, g.sha256, nil }
