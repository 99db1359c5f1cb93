package models

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	under  map[string]bool // the ids of those that are being taken, and whether they were turned back
	coming chan struct{}   // of one place: another one has come
}

// NewArrivals returns those of a folder, which is theirs alone. What waits there of a model
// is turned back when the service deletes that.
func NewArrivals(s *Service, folder string) *Arrivals {
	a := &Arrivals{service: s, folder: folder, under: map[string]bool{}, coming: make(chan struct{}, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrivals = a
	return a
}

const (
	parcelFile = "parcel.json"
	// What the names of folders end with that are no parcel yet, and none any more.
	unfinished = ".part"
	finished   = ".gone"
	// atOnce is how many parcels are taken at a time: each is as fast as the disk.
	atOnce = 2
)

// Load tells of the parcels that wait, and removes what a kill has left. What there is of a
// parcel whose id is in again stays: that is accepted once more. It has to be called before
// anything else.
func (a *Arrivals) Load(again map[string]bool) error {
	entries, err := os.ReadDir(a.folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		path := filepath.Join(a.folder, e.Name())
		switch id, half := strings.CutSuffix(e.Name(), unfinished); {
		case filepath.Ext(e.Name()) == finished, half && !again[id]:
			err = errors.Join(err, os.RemoveAll(path))
		case half:
		default:
			if p, unread := readParcel(path); unread == nil { // else it is told of when it is taken
				a.announce(&p)
			}
		}
	}
	return err
}

// Accept moves the files of a parcel here, and returns when they would survive a kill. A
// parcel that was accepted under the id before is left as it is. Where it fails, the files
// are where they were.
func (a *Arrivals) Accept(id string, p Parcel) error {
	if err := p.Check(); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.accept(filepath.Join(a.folder, id), p); err != nil {
		if errors.Is(err, fs.ErrNotExist) && a.service.hasTaken(&p) {
			return nil
		}
		return unkept(&p, err)
	}
	if _, under := a.under[id]; !under {
		a.announce(&p)
	}
	select {
	case a.coming <- struct{}{}:
	default:
	}
	return nil
}

// announce begins the operation of a parcel that waits.
func (a *Arrivals) announce(p *Parcel) {
	a.service.announced(p, func(context.Context) error {
		a.turnBack(fleet.CanonicalModel(p.Name))
		return nil
	})
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
			if under[next.model] != "" || len(under) == atOnce || ctx.Err() != nil || !a.claim(next.id) {
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
		if ext := filepath.Ext(e.Name()); !e.IsDir() || ext == unfinished || ext == finished {
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

// claim reports whether a parcel is there still, which is being taken from here on.
func (a *Arrivals) claim(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, err := os.Stat(filepath.Join(a.folder, id)); err != nil {
		return false
	}
	a.under[id] = false
	return true
}

// turned reports whether somebody turned back what is just being taken.
func (a *Arrivals) turned(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.under[id]
}

// take takes a parcel, and removes what is left of it.
func (a *Arrivals) take(ctx context.Context, id string) {
	p, err := readParcel(filepath.Join(a.folder, id))
	if err == nil {
		err = a.service.take(ctx, p, func() bool { return a.turned(id) })
	}
	if ctx.Err() != nil {
		return // it is gone on with after the next start
	}
	switch {
	case err != nil && fault.SideOf(err) == fault.Caller:
		a.service.Log.Warn("files are no model", "model", p.Name, "error", err)
	case err != nil:
		a.service.Log.Error("a model can't be stored", "model", p.Name, "error", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.under, id)
	a.remove(id)
}

// turnBack removes the parcels of a model that nobody has begun to take, and has those not
// be taken with which somebody is about to begin. It reports whether there were any.
func (a *Arrivals) turnBack(model string) (turned bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	waiting, err := a.waiting()
	if err != nil {
		a.service.Log.Error("what has arrived can't be looked at", "error", err)
	}
	for _, one := range waiting {
		if one.model != model {
			continue
		}
		turned = true
		if _, under := a.under[one.id]; under {
			a.under[one.id] = true
		} else {
			a.remove(one.id)
		}
	}
	return turned
}
