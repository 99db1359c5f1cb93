package storagerpc

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"

	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/pb/storagev1"
	"github.com/corral-fleet/corral/sdk/internal/rpc"
	"github.com/corral-fleet/corral/sdk/storage"
)

// download reads an object that a plugin sends.
type download struct {
	ctx    context.Context //nolint:containedctx // of the call, which lasts as long as the reader
	cancel context.CancelFunc
	in     grpc.ServerStreamingClient[storagev1.GetResponse]
	rest   []byte
	read   int64
	err    error
}

// Read implements io.Reader.
func (d *download) Read(p []byte) (int, error) {
	for len(d.rest) == 0 && d.err == nil {
		d.advance()
	}
	if len(d.rest) == 0 {
		return 0, d.err
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

func (d *download) advance() {
	message, err := d.in.Recv()
	if err == io.EOF {
		d.err = brokenOff()
		return
	}
	if err != nil {
		d.err = rpc.Fault(d.ctx, err)
		return
	}
	switch part := message.GetPart().(type) {
	case *storagev1.GetResponse_Data:
		d.rest = part.Data
		d.read += int64(len(part.Data))
	case *storagev1.GetResponse_Trailer_:
		d.err = io.EOF
		if part.Trailer.GetBytes() != d.read {
			d.err = broken("it sent other bytes than it says")
		}
	default: // of a newer plugin
	}
}

// Close implements io.Closer.
func (d *download) Close() error {
	d.cancel()
	if d.err == nil {
		d.err = fault.New(fault.Internal, "a reader is used after its end")
	}
	d.rest = nil
	return nil
}

// put sends a source. Its error is returned as it is; the plugin stores nothing then.
func (c *Client) put(ctx context.Context, key string, src storage.Source, create bool) error {
	in, err := src.Open()
	if err != nil {
		return err
	}
	defer in.Close() // it was only read
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out, err := c.storage.Put(ctx)
	if err != nil {
		return rpc.Fault(ctx, err)
	}
	begin := &storagev1.PutRequest_Begin{Instance: c.instance, Key: key, SizeBytes: max(src.SizeBytes(), -1), Create: create}
	if err := out.Send(&storagev1.PutRequest{Part: &storagev1.PutRequest_Begin_{Begin: begin}}); err != nil {
		return answer(ctx, out)
	}
	sent, sum, err := sendAll(out, in)
	switch {
	case errors.Is(err, errAnswered):
		return answer(ctx, out)
	case err != nil:
		return abort(out, err)
	case src.SizeBytes() >= 0 && sent != src.SizeBytes():
		return abort(out, fault.New(fault.Invalid, "%d bytes came, where %d were announced", sent, src.SizeBytes()).On(fault.Caller))
	}
	// That it is refused is told by the answer.
	_ = out.Send(&storagev1.PutRequest{Part: &storagev1.PutRequest_Commit_{Commit: &storagev1.PutRequest_Commit{Bytes: sent, Sha256: sum}}})
	return answer(ctx, out)
}

// errAnswered is that the plugin takes no more, because it has answered.
var errAnswered = errors.New("the plugin has answered")

// sendAll sends all that there is to read, and returns how much that was and its
// sha256.
func sendAll(out grpc.ClientStreamingClient[storagev1.PutRequest, storagev1.PutResponse], in io.Reader) (sent int64, sum []byte, err error) {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	hash := sha256.New()
	for {
		n, err := fill(in, *buffer)
		if n > 0 && (err == nil || err == io.EOF) {
			hash.Write((*buffer)[:n])
			sent += int64(n)
			if out.Send(&storagev1.PutRequest{Part: &storagev1.PutRequest_Data{Data: (*buffer)[:n]}}) != nil {
				return sent, nil, errAnswered
			}
		}
		if err == io.EOF {
			return sent, hash.Sum(nil), nil
		}
		if err != nil {
			return sent, nil, err
		}
	}
}

// fill reads until the buffer is full or an error comes, which it returns as it is:
// with io.ReadFull an end would look like a source that broke off.
func fill(in io.Reader, buffer []byte) (n int, err error) {
	for n < len(buffer) && err == nil {
		var more int
		more, err = in.Read(buffer[n:])
		n += more
	}
	return n, err
}

// abort has the plugin store nothing because of err, waits until it has heard, and
// returns err.
func abort(out grpc.ClientStreamingClient[storagev1.PutRequest, storagev1.PutResponse], err error) error {
	if out.Send(&storagev1.PutRequest{Part: &storagev1.PutRequest_Abort_{Abort: &storagev1.PutRequest_Abort{}}}) == nil {
		if _, refused := out.CloseAndRecv(); refused == nil {
			return errors.Join(err, broken("it stored an upload that was given up"))
		}
	}
	return err
}

// answer returns what the plugin says of an upload.
func answer(ctx context.Context, out grpc.ClientStreamingClient[storagev1.PutRequest, storagev1.PutResponse]) error {
	_, err := out.CloseAndRecv()
	return rpc.Fault(ctx, err)
}
