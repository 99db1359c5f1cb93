// Package parcel writes behind an executable which command it starts, and how the
// command's files have to be for that.
package parcel

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/mod/sumdb/dirhash"
)

// Parcel is what stands behind an executable.
type Parcel struct {
	Command []string `json:"command"`
	Dir     string   `json:"dir"`    // from the executable's folder
	Digest  string   `json:"digest"` // of the files in it, as of package dirhash

	executable string
}

// magic is what an executable with a parcel ends with, behind the parcel's length.
const magic = "corral-parcel-1\n"

// trailerBytes is how long that is.
const trailerBytes = 8 + len(magic)

// maxParcelBytes bounds a parcel.
const maxParcelBytes = 64 << 10

// Pack writes a copy of an executable with a parcel behind it.
func Pack(executable, to, dir string, command []string) (err error) {
	to, err = filepath.Abs(to)
	if err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	p := Parcel{Command: command, executable: to}
	if p.Dir, err = filepath.Rel(filepath.Dir(to), dir); err != nil {
		return err
	}
	if p.Digest, err = p.digest(); err != nil {
		return fmt.Errorf("read the files of the command: %w", err)
	}
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if len(body) > maxParcelBytes {
		return fmt.Errorf("the command is longer than %d bytes", maxParcelBytes)
	}
	return write(executable, to, append(binary.BigEndian.AppendUint64(body, uint64(len(body))), magic...))
}

// write writes an executable with more behind it, in place of what may be there.
func write(executable, to string, more []byte) (err error) {
	in, err := os.Open(executable)
	if err != nil {
		return err
	}
	defer in.Close() // it was only read
	out, err := os.OpenFile(to+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		_, err = out.Write(more)
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Rename(to+".new", to) // one that runs keeps its file
	}
	if err != nil {
		err = errors.Join(err, os.Remove(to+".new"))
	}
	return err
}

// Open returns the parcel behind an executable, nil where there is none.
func Open(executable string) (*Parcel, error) {
	f, err := os.Open(executable)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	end := info.Size() - int64(trailerBytes)
	trailer := make([]byte, trailerBytes)
	if _, err := f.ReadAt(trailer, max(end, 0)); err != nil || string(trailer[8:]) != magic {
		return nil, nil //nolint:nilnil // what is shorter has none either
	}
	length := binary.BigEndian.Uint64(trailer)
	if length > maxParcelBytes || int64(length) > end {
		return nil, errors.New("what stands behind the program is broken: pack it again")
	}
	body := make([]byte, length)
	if _, err := f.ReadAt(body, end-int64(length)); err != nil {
		return nil, err
	}
	p := &Parcel{executable: executable}
	if err := json.Unmarshal(body, p); err != nil || len(p.Command) == 0 {
		return nil, errors.New("what stands behind the program is broken: pack it again")
	}
	return p, nil
}

// Folder is where the command is started.
func (p *Parcel) Folder() string { return filepath.Join(filepath.Dir(p.executable), p.Dir) }

// Verify returns an error where the command's files are not those that were packed.
func (p *Parcel) Verify() error {
	have, err := p.digest()
	if err != nil {
		return fmt.Errorf("read the files of the command: %w", err)
	}
	if have != p.Digest {
		return fmt.Errorf("the files in %s are not those with which this plugin was packed: pack it again, and have it trusted again", p.Folder())
	}
	return nil
}

// digest is that of the command's files, without the plugin, which may be among them.
func (p *Parcel) digest() (string, error) {
	folder := p.Folder()
	files, err := dirhash.DirFiles(folder, "")
	if err != nil {
		return "", err
	}
	if self, err := filepath.Rel(folder, p.executable); err == nil {
		files = slices.DeleteFunc(files, func(name string) bool { return name == filepath.ToSlash(self) })
	}
	return dirhash.Hash1(files, func(name string) (io.ReadCloser, error) { return os.Open(filepath.Join(folder, name)) })
}
