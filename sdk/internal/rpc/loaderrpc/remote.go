package loaderrpc

import (
	"context"
	"io"
	"slices"
	"sync"

	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/pb/loaderv1"
	"github.com/corral-fleet/corral/sdk/loader"
)

// remote are files that the host reads.
type remote struct {
	stream grpc.BidiStreamingServer[loaderv1.InspectRequest, loaderv1.InspectResponse]
	files  []loader.File
	sizes  map[string]int64

	mu sync.Mutex // held while a read is under way: there is one at a time
}

func newRemote(stream grpc.BidiStreamingServer[loaderv1.InspectRequest, loaderv1.InspectResponse], files []loader.File) *remote {
	r := &remote{stream: stream, files: files, sizes: map[string]int64{}}
	for _, f := range files {
		r.sizes[f.Path] = f.SizeBytes
	}
	return r
}

// List implements [loader.Files].
func (r *remote) List() []loader.File { return slices.Clone(r.files) }

// ReadAt implements [loader.Files].
func (r *remote) ReadAt(ctx context.Context, path string, p []byte, offset int64) (n int, err error) {
	size, ok := r.sizes[path]
	switch {
	case !ok:
		return 0, fault.New(fault.NotFound, "there is no file %q", path)
	case offset < 0:
		return 0, fault.New(fault.Invalid, "nothing can be read at %d", offset)
	}
	wanted := p[:max(0, min(int64(len(p)), size-offset))]
	r.mu.Lock()
	defer r.mu.Unlock()
	for n < len(wanted) {
		if err := ctx.Err(); err != nil {
			return n, context.Cause(ctx)
		}
		got, err := r.read(path, wanted[n:min(len(wanted), n+readBytes)], offset+int64(n))
		n += got
		if err != nil {
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// read asks the host for one part of a file.
func (r *remote) read(path string, p []byte, offset int64) (int, error) {
	ask := &loaderv1.InspectResponse_Read{Path: path, OffsetBytes: offset, LengthBytes: int64(len(p))}
	if err := r.stream.Send(&loaderv1.InspectResponse{Part: &loaderv1.InspectResponse_Read_{Read: ask}}); err != nil {
		return 0, err
	}
	answer, err := r.stream.Recv()
	if err != nil {
		return 0, err
	}
	n := copy(p, answer.GetData().GetBytes())
	if n < len(p) {
		return n, fault.New(fault.Corrupt, "the file %q is shorter than it is said to be", path).On(fault.Caller)
	}
	return n, nil
}
