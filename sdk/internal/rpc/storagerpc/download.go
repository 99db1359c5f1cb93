package storagerpc

import (
	"context"
	"hash/crc32"
	"io"

	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/internal/pb/storagev1"
	"github.com/corral-fleet/corral/sdk/internal/rpc"
)

// download reads an object that a plugin sends.
type download struct {
	ctx    context.Context //nolint:containedctx // of the call, which lasts as long as the reader
	cancel context.CancelFunc
	in     grpc.ServerStreamingClient[storagev1.GetResponse]
	socket io.Reader // where the data comes, nil for data parts
	rest   []byte
	crc    uint32
	read   int64
	ended  bool // the socket has
	err    error
}

// download begins to read an object.
func (c *Client) download(ctx context.Context, request *storagev1.GetRequest) (*download, error) {
	ctx, cancel := context.WithCancel(ctx)
	in, err := c.storage.Get(ctx, request)
	var first *storagev1.GetResponse
	if err == nil {
		switch first, err = in.Recv(); {
		case err == io.EOF:
			err = brokenOff()
		case err == nil && first.GetHeader() == nil:
			err = broken("an object begins with something else")
		}
	}
	if err != nil {
		defer cancel()
		return nil, rpc.Fault(ctx, err)
	}
	d := &download{ctx: ctx, cancel: cancel, in: in}
	token := first.GetHeader().GetToken()
	if len(token) == 0 {
		return d, nil
	}
	conn, err := c.dial(ctx, token, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	d.socket = conn
	return d, nil
}

// Read implements io.Reader.
func (d *download) Read(p []byte) (int, error) {
	if d.socket != nil && !d.ended && d.err == nil {
		n, err := d.socket.Read(p)
		d.took(p[:n])
		d.ended = err != nil // why is told by what follows
		if n > 0 || err == nil {
			return n, nil
		}
	}
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

// took notes what has come.
func (d *download) took(data []byte) {
	d.crc = crc32.Update(d.crc, crc32.IEEETable, data)
	d.read += int64(len(data))
}

// advance takes one more message.
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
		if d.socket != nil {
			d.err = broken("an object has data beside the data socket")
			return
		}
		d.rest = part.Data
		d.took(part.Data)
	case *storagev1.GetResponse_Trailer_:
		d.err = d.check(part.Trailer)
	default: // of a newer plugin
	}
}

// check returns io.EOF where all has come that was sent.
func (d *download) check(t *storagev1.GetResponse_Trailer) error {
	switch {
	case t.GetBytes() > d.read && d.socket != nil:
		return brokenOff()
	case t.GetBytes() != d.read:
		return broken("it sent other bytes than it says")
	case t.Crc32 != nil && t.GetCrc32() != d.crc:
		return broken("the bytes that came are not those that it sent")
	}
	return io.EOF
}

// Close implements io.Closer.
func (d *download) Close() error {
	d.cancel()
	if d.err == nil {
		d.err = errClosed
	}
	d.rest = nil
	return nil
}
