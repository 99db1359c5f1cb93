package ollamaapi

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Blobs are files that came before anybody said what becomes of them. They go by their
// sha256 in lower case hexadecimal; one that isn't there is fault.NotFound.
type Blobs interface {
	Size(sha256 string) (int64, error)
	// Put takes one in, of at most so many bytes; -1 is unknown. Bytes of another sha256
	// are fault.Invalid.
	Put(ctx context.Context, sha256 string, atMostBytes int64, from io.Reader) error
	// Lend returns a path of one that may be moved or removed, while the blob stays.
	Lend(sha256 string) (path string, err error)
	Remove(sha256 string) error
}

var digestPattern = regexp.MustCompile(`^sha256[:-][0-9a-fA-F]{64}$`)

// invalidDigest is what Ollama says to a digest that is none.
const invalidDigest = "invalid digest format"

// hexOf returns the digits of a digest as Ollama takes it.
func hexOf(digest string) (hex string, ok bool) {
	if !digestPattern.MatchString(digest) {
		return "", false
	}
	return strings.ToLower(digest[len("sha256:"):]), true
}

// hasBlob says whether a file is here, so that it needn't be sent.
func (a *API) hasBlob(_ context.Context, req *edge.Request, _ []fleet.HostView) (*edge.Response, error) {
	e := creating()
	digest := req.Param("digest")
	sum, ok := hexOf(digest)
	if !ok {
		return e.Refuse(400, invalidDigest), nil
	}
	switch _, err := a.sizeOf(sum); fault.KindOf(err) {
	case fault.None:
		return &edge.Response{}, nil
	case fault.NotFound:
		return e.Refuse(404, fmt.Sprintf("blob %q not found", digest)), nil
	default:
		return nil, err
	}
}

// sizeOf returns the size of a file that is here: the catalogue has it, or it has been
// sent and waits for what it is for.
func (a *API) sizeOf(sum string) (int64, error) {
	if size, err := a.blobs.Size(sum); fault.KindOf(err) != fault.NotFound {
		return size, err
	}
	return a.catalogue.Known("", sum)
}

// takeBlob takes a file in, once for all hosts.
func (a *API) takeBlob(ctx context.Context, req *edge.Request, _ []fleet.HostView) (*edge.Response, error) {
	e := creating()
	sum, ok := hexOf(req.Param("digest"))
	if !ok {
		return e.Refuse(400, invalidDigest), nil
	}
	switch _, err := a.sizeOf(sum); fault.KindOf(err) {
	case fault.None:
		return &edge.Response{}, nil
	case fault.NotFound:
	default:
		return nil, err
	}
	if err := a.blobs.Put(ctx, sum, req.ContentLength, req.Stream); err != nil {
		return nil, err
	}
	return &edge.Response{Status: 201}, nil
}
