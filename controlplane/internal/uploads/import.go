package uploads

import (
	"context"
	"path"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// maxSourceBytes is how long the URL of a source may be.
const maxSourceBytes = 4096

// Importer makes models of files that are in a storage already.
type Importer interface {
	// Import begins to make a model of the file that a URL names, or of those below it
	// where it ends with a slash. What leads nowhere is fault.NotFound.
	Import(ctx context.Context, ownerID string, want fleet.Import, source string) (fleet.Model, error)
}

// Import makes a model of files that are in a storage already, and takes no bytes.
func (s *Service) Import(ctx context.Context, ownerID string, want fleet.Import, source string) (fleet.Model, error) {
	want, err := checkImport(want)
	if err != nil {
		return fleet.Model{}, err
	}
	if source == "" || len(source) > maxSourceBytes || !isText(source, "") {
		return fleet.Model{}, invalid("source", "has to be the URL of a file in a storage, such as s3://bucket/model.gguf")
	}
	if want.Name == "" {
		if want.Name, err = nameAfter(path.Base(strings.TrimSuffix(source, "/"))); err != nil {
			return fleet.Model{}, err
		}
	}
	if err := s.Sink.Check(ctx, want, nil); err != nil {
		return fleet.Model{}, err
	}
	return s.Importer.Import(ctx, ownerID, want, source)
}
