package storagerpc

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"io"
	"sync/atomic"

	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/pb/storagev1"
)

// upload is the source of an object that a host sends. It gives out the last bytes
// only when the host has committed to them, and fails where the host gives up or the
// bytes are others: a backend that stores all that it can read stores nothing else.
type upload struct {
	in     grpc.BidiStreamingServer[storagev1.PutRequest, storagev1.PutResponse]
	socket io.Reader // where the data comes, nil for data parts
	size   int64
	opened atomic.Bool

	sum     hash.Hash
	read    int64
	ready   []byte  // committed to, or followed by more
	next    []byte  // what may be the last
	last    [1]byte // what next is of a socket's data
	spare   [1]byte
	drained bool  // the socket has ended
	err     error // what comes after ready
	done    atomic.Bool
}

func newUpload(in grpc.BidiStreamingServer[storagev1.PutRequest, storagev1.PutResponse], size int64, socket io.Reader) *upload {
	return &upload{in: in, size: max(size, -1), socket: socket, drained: socket == nil, sum: sha256.New()}
}

// What ends an upload that is not stored.
var (
	errNoCommit    = fault.New(fault.Canceled, "the upload ended without a commit").On(fault.Caller)
	errAborted     = fault.New(fault.Canceled, "the upload was given up").On(fault.Caller)
	errUnknownPart = fault.New(fault.Invalid, "an upload has a part that is not known").On(fault.Caller)
	errUnread      = fault.New(fault.Internal, "the storage plugin did not read the whole upload, and says that it is stored")
)

// SizeBytes implements [storage.Source].
func (u *upload) SizeBytes() int64 { return u.size }

// Open implements [storage.Source].
func (u *upload) Open() (io.ReadCloser, error) {
	if u.opened.Swap(true) {
		return nil, fault.New(fault.Conflict, "what is uploaded can be read only once, and that was begun")
	}
	return io.NopCloser(u), nil
}

// Read implements io.Reader.
func (u *upload) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(u.ready) == 0 {
		switch {
		case u.err != nil:
			return 0, u.err
		case u.drained:
			u.advance()
		default:
			if n := u.receive(p); n > 0 {
				return n, nil
			}
		}
	}
	n := copy(p, u.ready)
	u.ready = u.ready[n:]
	return n, nil
}

// receive reads from the socket straight to where the data is wanted. The last byte
// is kept back: more may follow, or nothing but the commit.
func (u *upload) receive(p []byte) int {
	kept := copy(p, u.next)
	into := p[kept:]
	if len(into) == 0 {
		into = u.spare[:]
	}
	n, err := u.socket.Read(into)
	if n > 0 {
		u.took(into[:n])
		u.last[0] = into[n-1]
		u.next = u.last[:]
		return kept + n - 1
	}
	u.drained = err != nil // why it has ended is told by what follows
	return 0
}

// took notes what has come.
func (u *upload) took(data []byte) {
	u.sum.Write(data)
	u.read += int64(len(data))
	if u.size >= 0 && u.read > u.size {
		u.err = fault.New(fault.Invalid, "more bytes came than were announced").On(fault.Caller)
	}
}

// advance takes one more message.
func (u *upload) advance() {
	message, err := u.in.Recv()
	if err == io.EOF {
		err = errNoCommit
	}
	if err != nil {
		u.err = err
		return
	}
	switch part := message.GetPart().(type) {
	case *storagev1.PutRequest_Data:
		if u.socket != nil {
			u.err = fault.New(fault.Invalid, "an upload has data beside the data socket").On(fault.Caller)
			return
		}
		u.ready, u.next = u.next, part.Data
		if u.took(part.Data); u.err != nil {
			u.ready = nil
		}
	case *storagev1.PutRequest_Commit_:
		if u.err = u.check(part.Commit); u.err == io.EOF {
			u.ready, u.next = u.next, nil
			u.done.Store(true)
		}
	case *storagev1.PutRequest_Abort_:
		u.err = errAborted
	default:
		u.err = errUnknownPart
	}
}

// check returns io.EOF where all has come that was sent.
func (u *upload) check(c *storagev1.PutRequest_Commit) error {
	switch {
	case c.GetBytes() != u.read, u.size >= 0 && u.size != u.read:
		return fault.New(fault.Invalid, "%d bytes came, where %d were announced", u.read, c.GetBytes()).On(fault.Caller)
	case !bytes.Equal(c.GetSha256(), u.sum.Sum(nil)):
		return fault.New(fault.Corrupt, "the bytes that came are not those that were sent").On(fault.Caller)
	}
	return io.EOF
}

// finished returns an error where a backend has stored an upload without reading it.
func (u *upload) finished() error {
	if u.done.Load() && len(u.ready) == 0 {
		return nil
	}
	return errUnread
}
