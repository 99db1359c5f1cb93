package models

import (
	"slices"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

// Parcel is files that have arrived and are to be a model.
type Parcel struct {
	Name        string // that the model is to have
	Description string
	Storage     string // where its files go; empty is the storage that is meant where none is named
	Quantize    string
	Options     loader.Options // but for Quantize
	// Hosts are the ids or names of those that are to have it, see [Service.Want]. None at
	// all leaves it to the placement, and nil is that nobody is to have it yet.
	Hosts []string
	Files []ParcelFile
}

// ParcelFile is one file of a parcel.
type ParcelFile struct {
	Path  string // relative, as whoever brought it calls it
	Local string // where it is on this machine; empty where the catalogue has its content
	// Stored is where it is already, and stays; nil is nowhere.
	Stored    *fleet.ModelFile
	SizeBytes int64
	SHA256    string // in hexadecimal
}

// Check returns what is wrong with a parcel, before its bytes have come.
func (p *Parcel) Check() error {
	if !fleet.ValidModel(p.Name) {
		return fault.New(fault.Invalid, "the field %q has to be a model's name, such as llama3.1:8b, not %q", "name", p.Name).On(fault.Caller)
	}
	for _, f := range p.Files {
		if err := loader.CheckPath(f.Path); err != nil {
			return err
		}
	}
	return nil
}

// hasTaken reports whether a parcel has been taken before: the catalogue has its files as the
// model, or says why not.
func (s *Service) hasTaken(p *Parcel) bool {
	m, err := s.Stored(p.Name)
	if err != nil || m.Problem != "" {
		return err == nil
	}
	return !slices.ContainsFunc(p.Files, func(f ParcelFile) bool {
		return !slices.ContainsFunc(m.Files, func(has fleet.ModelFile) bool { return has.SHA256 == f.SHA256 })
	})
}
