package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// How long what no model refers to is left: a pull and a creation have all of their
// blobs before they write a manifest.
const (
	orphanGrace  = time.Hour
	partialGrace = 24 * time.Hour
)

// Collect deletes blobs that no model refers to and that are over an hour old, and what
// unfinished downloads and creations left over a day ago, or over an hour ago where Ollama
// can't go on with it. While something is being downloaded or created, blobs stay. It must
// not be called for a store that is [Store.Shared].
func (s *Store) Collect(now time.Time) (freedBytes int64, err error) {
	entries, err := os.ReadDir(s.blobs())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, collectFault(err)
	}
	busy, freedBytes, err := s.collectConverted(now)
	if err != nil {
		return freedBytes, err
	}
	var orphans []string
	latest := s.latestOf(entries, now)
	for _, e := range entries {
		name := e.Name()
		age, size, ok := ageOf(e, now)
		if !ok {
			continue
		}
		switch {
		case blobName.MatchString(name):
			if age > orphanGrace {
				orphans = append(orphans, name)
			}
		case partialName.MatchString(name), tempName.MatchString(name), quantisedName.MatchString(name), strings.HasPrefix(name, ourPrefix):
			if came, ok := latest[blobOf(name)]; ok {
				age = came
			}
			busy = busy || age <= orphanGrace
			if age <= partialGrace {
				continue
			}
			if err := os.Remove(filepath.Join(s.blobs(), name)); err != nil {
				return freedBytes, collectFault(err)
			}
			freedBytes += size
		}
	}
	if busy {
		return freedBytes, nil
	}
	freed, err := s.drop(orphans)
	return freedBytes + freed, err
}

// collectConverted deletes the folders of conversions to which nothing came for a day, and
// reports whether something comes to one.
func (s *Store) collectConverted(now time.Time) (busy bool, freedBytes int64, err error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return false, 0, collectFault(err)
	}
	for _, e := range entries {
		if !e.IsDir() || !convertedName.MatchString(e.Name()) {
			continue
		}
		path := filepath.Join(s.dir, e.Name())
		age, sizeBytes, err := treeAgeOf(path, now)
		if err == nil {
			busy = busy || age <= orphanGrace
			if age <= partialGrace {
				continue
			}
			err = os.RemoveAll(path)
		}
		if err != nil {
			return busy, freedBytes, collectFault(err)
		}
		freedBytes += sizeBytes
	}
	return busy, freedBytes, nil
}

// treeAgeOf returns for how long nothing has come to a folder, and what deleting it frees.
func treeAgeOf(dir string, now time.Time) (age time.Duration, sizeBytes int64, err error) {
	age = math.MaxInt64
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // Ollama has just done with it
		}
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return nil //nolint:nilerr // it has just gone
		}
		age = min(age, now.Sub(changedAt(info)))
		if info.Mode().IsRegular() {
			sizeBytes += sizeOf(info)
		}
		return nil
	})
	return age, sizeBytes, err
}

// latestOf returns how long ago something came of each blob that is or was being
// downloaded, by the blob's name. A download has a file for each of its parts, and that of
// one that came long ago is needed as long as any other comes. One with which Ollama can't
// go on came before all time.
func (s *Store) latestOf(entries []fs.DirEntry, now time.Time) map[string]time.Duration {
	latest := map[string]time.Duration{}
	for _, e := range entries {
		if !partialName.MatchString(e.Name()) {
			continue
		}
		blob := blobOf(e.Name())
		if age, _, ok := ageOf(e, now); ok {
			if before, there := latest[blob]; !there || age < before {
				latest[blob] = age
			}
		}
	}
	for blob, age := range latest {
		if age > orphanGrace && s.broken(blob) {
			latest[blob] = math.MaxInt64
		}
	}
	return latest
}

// blobOf returns the name of the blob that a file of an unfinished download is of.
func blobOf(name string) string {
	blob, _, _ := strings.Cut(name, "-partial")
	return blob
}

// Drop deletes those of these blobs, by their sha256 in hexadecimal, that no model
// refers to, however young they are.
func (s *Store) Drop(digests []string) (freedBytes int64, err error) {
	var names []string
	for _, d := range digests {
		names = append(names, "sha256-"+d)
	}
	return s.drop(names)
}

// drop deletes those of these blobs that no model refers to. Each is first put aside:
// a model that has come to refer to it meanwhile gets it back.
func (s *Store) drop(names []string) (freedBytes int64, err error) {
	used, err := s.used()
	if err != nil {
		return 0, err
	}
	aside := map[string]string{}
	for _, name := range names {
		if used[name] {
			continue
		}
		to := filepath.Join(s.blobs(), ourPrefix+"gone-"+name)
		if err := os.Rename(filepath.Join(s.blobs(), name), to); err == nil {
			aside[name] = to
		} else if !errors.Is(err, fs.ErrNotExist) {
			return 0, collectFault(err)
		}
	}
	if len(aside) == 0 {
		return 0, nil
	}
	used, err = s.used()
	for name, path := range aside {
		if err != nil || used[name] {
			if back := os.Rename(path, filepath.Join(s.blobs(), name)); back != nil {
				err = errors.Join(err, collectFault(back))
			}
			continue
		}
		info, statErr := os.Stat(path)
		if removeErr := os.Remove(path); removeErr != nil {
			err = errors.Join(err, collectFault(removeErr))
		} else if statErr == nil {
			freedBytes += sizeOf(info)
		}
	}
	return freedBytes, err
}

// used returns the names of the blobs that manifests refer to. One that can't be read
// is an error: what it refers to is not known.
func (s *Store) used() (map[string]bool, error) {
	used := map[string]bool{}
	root := filepath.Join(s.dir, "manifests")
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it has just gone
		}
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		type ref struct{ Digest string }
		var m struct {
			Config ref
			Layers []ref
		}
		if err := json.Unmarshal(text, &m); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, r := range append(m.Layers, m.Config) {
			used[strings.ReplaceAll(r.Digest, ":", "-")] = true
		}
		return nil
	})
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "a model on this host cannot be read, so nothing is deleted of which it may be made").On(fault.Host)
	}
	return used, nil
}

// ageOf returns for how long a file has been as it is, under its name too, and what
// deleting it frees; false where it is none.
func ageOf(e fs.DirEntry, now time.Time) (age time.Duration, sizeBytes int64, ok bool) {
	info, err := e.Info()
	if err != nil || !info.Mode().IsRegular() {
		return 0, 0, false
	}
	return now.Sub(changedAt(info)), sizeOf(info), true
}

// changedAt is since when a file has been as it is, under its name too.
func changedAt(info fs.FileInfo) time.Time {
	changed := info.ModTime()
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		if at := time.Unix(st.Ctim.Unix()); at.After(changed) {
			changed = at
		}
	}
	return changed
}

// sizeOf is what deleting a file frees.
func sizeOf(info fs.FileInfo) int64 {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return info.Size()
	case st.Nlink > 1:
		return 0
	}
	return min(st.Blocks*512, info.Size())
}

func collectFault(err error) error {
	return fault.Wrap(fault.KindOf(err), err, "the folder of the models on this host could not be tidied").On(fault.Host)
}
