package served

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/sdk/storage"
)

// Listing lists those of files that are known by their keys' ends, in order, of which the
// end begins with a prefix.
func Listing(ctx context.Context, files map[string]storage.Info, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		for _, name := range slices.Sorted(maps.Keys(files)) {
			if err := ctx.Err(); err != nil {
				yield(storage.Info{}, err)
				return
			}
			if strings.HasPrefix(name, prefix) && !yield(files[name], nil) {
				return
			}
		}
	}
}

// OrEnded returns the error of a context that has ended, or else another one.
func OrEnded(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	return err
}
