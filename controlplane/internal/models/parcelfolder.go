package models

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/corral-fleet/corral/sdk/fault"
)

// unkept is why a parcel is not accepted.
func unkept(p *Parcel, err error) error {
	switch kind := fault.KindOf(err); kind {
	case fault.NoSpace:
		return fault.Wrap(kind, err, "the server's disk is full, so that the files of the model %q could not be kept", p.Name)
	case fault.NotFound:
		return fault.Wrap(fault.Conflict, err, "the files of the model %q are not there any more; upload them again", p.Name)
	}
	return fault.Wrap(fault.Internal, err, "the files of the model %q could not be kept", p.Name)
}

func (a *Arrivals) accept(folder string, p Parcel) (err error) {
	if _, err := os.Stat(folder); err == nil {
		return nil
	}
	part := folder + unfinished
	if err := os.MkdirAll(part, 0o700); err != nil {
		return err
	}
	from := p.Files
	p.Files = slices.Clone(from)
	defer func() {
		if err != nil {
			err = errors.Join(err, giveBack(part, from))
		}
	}()
	for i := range p.Files {
		f := &p.Files[i]
		if f.Local == "" { // the catalogue has it
			continue
		}
		to := filepath.Join(part, strconv.Itoa(i))
		err := os.Rename(f.Local, to)
		if errors.Is(err, fs.ErrNotExist) { // it may have been moved before a kill
			_, err = os.Stat(to)
		}
		if err != nil {
			return err
		}
		f.Local = strconv.Itoa(i)
	}
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(part, parcelFile), body); err != nil {
		return err
	}
	if err := syncFolder(part); err != nil {
		return err
	}
	if err := os.Rename(part, folder); err != nil {
		return err
	}
	return syncFolder(a.folder)
}

// giveBack moves the files of a parcel that is not accepted to where they were.
func giveBack(part string, files []ParcelFile) error {
	var errs []error
	for i, f := range files {
		if f.Local == "" {
			continue
		}
		if err := os.Rename(filepath.Join(part, strconv.Itoa(i)), f.Local); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	return os.RemoveAll(part)
}

func writeSynced(path string, body []byte) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(body); err != nil {
		return err
	}
	return f.Sync()
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// remove removes a parcel, which isn't one from the first step on: what a kill leaves of it
// is not taken again. a.mu is held.
func (a *Arrivals) remove(id string) {
	folder := filepath.Join(a.folder, id)
	err := os.Rename(folder, folder+finished)
	if err == nil {
		err = os.RemoveAll(folder + finished)
	}
	if err != nil {
		a.service.Log.Error("files of a model that has been taken are left over", "folder", folder, "error", err)
	}
}

func readParcel(folder string) (p Parcel, err error) {
	body, err := os.ReadFile(filepath.Join(folder, parcelFile))
	if err == nil {
		err = json.Unmarshal(body, &p)
	}
	for i := range p.Files {
		if f := &p.Files[i]; f.Local != "" {
			f.Local = filepath.Join(folder, f.Local)
		}
	}
	return p, err
}
