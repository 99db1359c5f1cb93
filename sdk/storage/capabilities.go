package storage

import (
	"math/bits"
	"strings"
)

// Capabilities is what a backend can do beyond [Backend], or not do of it, a bit for
// each of the small interfaces. The bits are a wire contract: they are only ever added to.
type Capabilities uint32

// The capabilities.
const (
	CanCopy    Capabilities = 1 << 0 // [Copier]
	CanCreate  Capabilities = 1 << 1 // [Creator]
	CanPresign Capabilities = 1 << 2 // [Presigner]
	CanPage    Capabilities = 1 << 3 // [Pager]
	CanLocate  Capabilities = 1 << 4 // [Locator]
	CanCheck   Capabilities = 1 << 5 // [Checker]
	CanSweep   Capabilities = 1 << 6 // [Sweeper]
	CanAddress Capabilities = 1 << 7 // [Addresser]
	OnlyReads  Capabilities = 1 << 8 // [OnlyReader]: it can do less than others
)

var capabilityNames = [...]string{"copy", "create", "presign", "page", "locate", "check", "sweep", "address", "read_only"}

// String returns the names of the capabilities, with commas.
func (c Capabilities) String() string {
	var names []string
	for ; c != 0; c &= c - 1 {
		if i := bits.TrailingZeros32(uint32(c)); i < len(capabilityNames) {
			names = append(names, capabilityNames[i])
		}
	}
	return strings.Join(names, ",")
}

// Limited is a backend that does not do all that its methods look like: what it can
// depends on its configuration, or on the service that it found.
type Limited interface {
	// Capabilities returns what it does. It is the same each time.
	Capabilities() Capabilities
}

// CapabilitiesOf returns what a backend can do.
func CapabilitiesOf(b Backend) Capabilities {
	var can Capabilities
	for _, c := range [...]struct {
		capability Capabilities
		has        bool
	}{
		{CanCopy, is[Copier](b)},
		{CanCreate, is[Creator](b)},
		{CanPresign, is[Presigner](b)},
		{CanPage, is[Pager](b)},
		{CanLocate, is[Locator](b)},
		{CanCheck, is[Checker](b)},
		{CanSweep, is[Sweeper](b)},
		{CanAddress, is[Addresser](b)},
		{OnlyReads, is[OnlyReader](b)},
	} {
		if c.has {
			can |= c.capability
		}
	}
	if limited, ok := b.(Limited); ok {
		can &= limited.Capabilities()
	}
	return can
}

func is[T any](b Backend) bool {
	_, ok := b.(T)
	return ok
}

// As returns a backend as one of the small interfaces, and false where it can't do
// that.
func As[T any](b Backend) (T, bool) {
	does, ok := b.(T)
	if limited, is := b.(Limited); ok && is && limited.Capabilities()&capabilityOf[T]() == 0 {
		var none T
		return none, false
	}
	return does, ok
}

// capabilityOf returns the capability that an interface of this package stands for.
func capabilityOf[T any]() Capabilities {
	switch any((*T)(nil)).(type) {
	case *Copier:
		return CanCopy
	case *Creator:
		return CanCreate
	case *Presigner:
		return CanPresign
	case *Pager:
		return CanPage
	case *Locator:
		return CanLocate
	case *Checker:
		return CanCheck
	case *Sweeper:
		return CanSweep
	case *Addresser:
		return CanAddress
	case *OnlyReader:
		return OnlyReads
	}
	return ^Capabilities(0)
}
