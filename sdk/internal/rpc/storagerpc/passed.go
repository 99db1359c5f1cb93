package storagerpc

import (
	"context"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/pb/storagev1"
	"github.com/corral-fleet/corral/sdk/storage"
)

// passed is the source of an object that a host passes as an open file. It can be
// opened again, and read at any place. As with an upload, the last byte is given out
// only when the host has committed to it.
type passed struct {
	ctx    context.Context //nolint:containedctx // of the call, which lasts as long as the source
	in     grpc.BidiStreamingServer[storagev1.PutRequest, storagev1.PutResponse]
	file   *os.File
	size   int64
	before fs.FileInfo

	given  bool         // the file is given away
	commit func() error // io.EOF where the host has committed
	sum    []byte       // what the host has committed to
	done   atomic.Bool  // the last byte was given out, or the file
	read   atomic.Int64 // bytes of it, those that were read again counted again
}

// newPassed returns the source of a file that was announced with a size.
func newPassed(in grpc.BidiStreamingServer[storagev1.PutRequest, storagev1.PutResponse], file *os.File, begin *storagev1.PutRequest_Begin) (*passed, error) {
	size := begin.GetSizeBytes()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() != size {
		return nil, fault.New(fault.Invalid, "a file of %d bytes was passed, where %d were announced", info.Size(), size).On(fault.Caller)
	}
	p := &passed{ctx: in.Context(), in: in, file: file, size: size, before: info, given: begin.GetGiven()}
	p.commit = sync.OnceValue(p.await)
	return p, nil
}

// SizeBytes implements [storage.Source].
func (p *passed) SizeBytes() int64 { return p.size }

// Open implements [storage.Source].
func (p *passed) Open() (io.ReadCloser, error) {
	reader := passedReader{io.NewSectionReader(p, 0, p.size), io.NopCloser(nil)}
	if p.given {
		return passedGift{reader, p}, nil
	}
	return reader, nil
}

type passedReader struct {
	*io.SectionReader
	io.Closer
}

// passedGift is the reader of a file that is given away.
type passedGift struct {
	passedReader
	of *passed
}

var _ storage.Gift = passedGift{}

// Accept implements [storage.Gift].
func (g passedGift) Accept() (*os.File, string, error) {
	if refused := g.of.commit(); refused != io.EOF {
		return nil, "", refused
	}
	g.of.done.Store(true)
	return g.of.file, hex.EncodeToString(g.of.sum), nil
}

// ReadAt implements io.ReaderAt.
func (p *passed) ReadAt(b []byte, offset int64) (int, error) {
	if p.ctx.Err() != nil {
		return 0, context.Cause(p.ctx)
	}
	n, err := p.file.ReadAt(b, offset)
	p.read.Add(int64(n))
	switch {
	case err == io.EOF && offset+int64(n) < p.size:
		return n, errChanged
	case err != nil && err != io.EOF:
		return n, err
	case offset+int64(n) < p.size:
		return n, nil
	}
	if refused := p.commit(); refused != io.EOF {
		return max(0, n-1), refused
	}
	p.done.Store(true)
	return n, err
}

var errChanged = fault.New(fault.Conflict, "the file was written to while it was uploaded").On(fault.Caller)

// await waits for what the host says of the upload.
func (p *passed) await() error {
	message, err := p.in.Recv()
	switch {
	case err == io.EOF:
		return errNoCommit
	case err != nil:
		return err
	}
	switch part := message.GetPart().(type) {
	case *storagev1.PutRequest_Commit_:
		return p.check(part.Commit)
	case *storagev1.PutRequest_Abort_:
		return errAborted
	}
	return errUnknownPart
}

func (p *passed) check(c *storagev1.PutRequest_Commit) error {
	now, err := p.file.Stat()
	switch {
	case err != nil:
		return err
	case now.Size() != p.size || !now.ModTime().Equal(p.before.ModTime()):
		return errChanged
	case c.GetBytes() != p.size:
		return fault.New(fault.Invalid, "a file of %d bytes was passed, where %d were announced", p.size, c.GetBytes()).On(fault.Caller)
	}
	p.sum = c.GetSha256()
	return io.EOF
}

// telling begins to tell the host how much was read, until stop is called, which waits
// for the end of it: nobody else may send meanwhile.
func (p *passed) telling(every time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(p.ctx)
	var telling sync.WaitGroup
	telling.Go(func() { p.tell(ctx, every) })
	return func() {
		cancel()
		telling.Wait()
	}
}

func (p *passed) tell(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	told := int64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		read := p.read.Load()
		if read == told {
			continue
		}
		if p.in.Send(&storagev1.PutResponse{Progress: &storagev1.PutResponse_Progress{ReadBytes: read}}) != nil {
			return // the call has ended
		}
		told = read
	}
}

// finished returns an error where a backend has stored a file that it has neither read nor
// accepted.
func (p *passed) finished() error {
	if p.done.Load() {
		return nil
	}
	return errUnread
}
