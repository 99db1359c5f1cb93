package models

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Arrivals are parcels whose bytes are safe and that have yet to be taken: each is a
// folder with its files and what is to become of them, so that it outlives a kill. Its
// methods may be called concurrently.
type Arrivals struct {
	service *Service
	folder  string

	mu     sync.Mutex
	coming chan struct{} // of one place: another one has come
}

// NewArrivals returns those of a folder, which is theirs alone.
func NewArrivals(s *Service, folder string) *Arrivals {
	return &Arrivals{service: s, folder: folder, coming: make(chan struct{}, 1)}
}

const (
	parcelFile = "parcel.json"
	unfinished = ".part"
	// atOnce is how many parcels are taken at a time: each is as fast as the disk.
	atOnce = 2
)

// Accept moves the files of a parcel here, and returns when they would survive a kill. A
// parcel that was accepted under the id before is left as it is.
func (a *Arrivals) Accept(id string, p Parcel) error {
	if err := p.Check(); err != nil {
		return err
	}
	a.service.announced(fleet.ShownModel(p.Name), &p)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.accept(filepath.Join(a.folder, id), p); err != nil {
		return fault.Wrap(fault.Internal, err, "the files of the model %q could not be kept", p.Name)
	}
	select {
	case a.coming <- struct{}{}:
	default:
	}
	return nil
}

func (a *Arrivals) accept(folder string, p Parcel) error {
	if _, err := os.Stat(folder); err == nil {
		return nil
	}
	part := folder + unfinished
	if err := os.MkdirAll(part, 0o700); err != nil {
		return err
	}
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

// arrival is a parcel that waits.
type arrival struct {
	id    string
	model string // its canonical name; empty where it can't be read
	at    time.Time
}

// Run takes what is here, and what comes, until ctx ends: those of one model one after
// the other, in the order in which they came, so that the last one stays.
func (a *Arrivals) Run(ctx context.Context) error {
	var taking sync.WaitGroup
	defer taking.Wait()
	under := map[string]string{} // ids, by the model
	ended := make(chan arrival)
	for {
		waiting, err := a.waiting()
		if err != nil {
			a.service.Log.Error("what has arrived can't be looked at", "error", err)
		}
		for _, next := range waiting {
			if under[next.model] != "" || len(under) == atOnce || ctx.Err() != nil {
				continue
			}
			under[next.model] = next.id
			taking.Go(func() {
				a.take(ctx, next.id)
				select {
				case ended <- next:
				case <-ctx.Done():
				}
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-a.coming:
		case one := <-ended:
			delete(under, one.model)
		}
	}
}

// waiting returns what is here, what came first first.
func (a *Arrivals) waiting() ([]arrival, error) {
	entries, err := os.ReadDir(a.folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var list []arrival
	for _, e := range entries {
		if !e.IsDir() || filepath.Ext(e.Name()) == unfinished {
			continue
		}
		one := arrival{id: e.Name()}
		if p, err := readParcel(filepath.Join(a.folder, e.Name())); err == nil {
			one.model = fleet.CanonicalModel(p.Name)
		}
		if is, err := e.Info(); err == nil {
			one.at = is.ModTime()
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(x, y arrival) int { return cmp.Or(x.at.Compare(y.at), cmp.Compare(x.id, y.id)) })
	return list, err
}

// take takes a parcel, and removes what is left of it.
func (a *Arrivals) take(ctx context.Context, id string) {
	folder := filepath.Join(a.folder, id)
	p, err := readParcel(folder)
	if err == nil {
		err = a.service.Take(ctx, p)
	}
	if ctx.Err() != nil {
		return // it is gone on with after the next start
	}
	if err != nil {
		a.service.Log.Error("a model can't be stored", "model", p.Name, "error", err)
	}
	if err := os.RemoveAll(folder); err != nil {
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
