package storagerpc

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"net"
	"sync"

	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/pb/storagev1"
	"github.com/corral-fleet/corral/sdk/internal/rpc"
	"github.com/corral-fleet/corral/sdk/internal/rpc/datasocket"
	"github.com/corral-fleet/corral/sdk/storage"
)

// buffers are those that data is read into.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, DataBytes)
	return &b
}}

// Get implements the service.
func (s *Server) Get(r *storagev1.GetRequest, out grpc.ServerStreamingServer[storagev1.GetResponse]) error {
	return s.on(r.GetInstance(), func(b storage.Backend) error {
		in, err := b.Get(out.Context(), r.GetKey(), storage.Range{OffsetBytes: r.GetOffsetBytes(), LengthBytes: r.GetLengthBytes()})
		if err != nil {
			return err
		}
		return errors.Join(s.send(out, in, r.GetSocket() && s.data != nil), in.Close())
	}, r.GetKey())
}

// outgoing is an object on its way to a host.
type outgoing struct {
	out    grpc.ServerStreamingServer[storagev1.GetResponse]
	socket *net.UnixConn // where the data goes, nil for data parts
	crc    uint32
	sent   int64
}

// send sends an object. The header goes out when its first bytes have come, so that
// an object that turns out not to be there is an error instead. One that fits a
// message is not worth a connection.
func (s *Server) send(out grpc.ServerStreamingServer[storagev1.GetResponse], in io.Reader, bySocket bool) error {
	pooled := buffers.Get().(*[]byte)
	defer buffers.Put(pooled)
	buffer := *pooled
	n, err := fill(in, buffer)
	if err != nil && err != io.EOF {
		return err
	}
	o := &outgoing{out: out}
	header := func(token []byte) error {
		return out.Send(&storagev1.GetResponse{Part: &storagev1.GetResponse_Header_{Header: &storagev1.GetResponse_Header{Token: token}}})
	}
	if bySocket && err == nil {
		arrival, err := s.meet(out.Context(), header)
		if err != nil {
			return err
		}
		defer arrival.Close() // what counts is the trailer
		o.socket = arrival.UnixConn
	} else if err := header(nil); err != nil {
		return err
	}
	for {
		if failed := o.write(buffer[:n]); failed != nil {
			return failed
		}
		if err == io.EOF {
			return o.end()
		}
		if o.socket != nil {
			buffer = buffer[:socketBytes]
		}
		if n, err = fill(in, buffer); err != nil && err != io.EOF {
			return err
		}
	}
}

func (o *outgoing) write(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	o.crc = crc32.Update(o.crc, crc32.IEEETable, data)
	o.sent += int64(len(data))
	if o.socket == nil {
		return o.out.Send(&storagev1.GetResponse{Part: &storagev1.GetResponse_Data{Data: data}})
	}
	if _, err := o.socket.Write(data); err != nil {
		return fault.Wrap(fault.Canceled, err, "the host wants no more of the object").On(fault.Caller)
	}
	return nil
}

func (o *outgoing) end() error {
	if o.socket != nil {
		if err := o.socket.Close(); err != nil {
			return err
		}
	}
	trailer := &storagev1.GetResponse_Trailer{Bytes: o.sent, Crc32: &o.crc}
	return o.out.Send(&storagev1.GetResponse{Part: &storagev1.GetResponse_Trailer_{Trailer: trailer}})
}

// meet tells a host how to get to the data socket, and returns the connection to it,
// which is closed when the call ends.
func (s *Server) meet(ctx context.Context, tell func(token []byte) error) (datasocket.Arrival, error) {
	offer := s.data.Offer()
	defer offer.Withdraw()
	if err := tell(offer.Token()); err != nil {
		return datasocket.Arrival{}, err
	}
	arrival, err := offer.Accept(ctx)
	if err != nil {
		return datasocket.Arrival{}, err
	}
	context.AfterFunc(ctx, func() { arrival.UnixConn.Close() })
	return arrival, nil
}

// Put implements the service.
func (s *Server) Put(in grpc.BidiStreamingServer[storagev1.PutRequest, storagev1.PutResponse]) error {
	first, err := in.Recv()
	if err != nil {
		return err
	}
	begin := first.GetBegin()
	if begin == nil {
		return rpc.Status(fault.New(fault.Invalid, "an upload begins with something else").On(fault.Caller))
	}
	err = s.on(begin.GetInstance(), func(b storage.Backend) error { return s.store(b, begin, in) }, begin.GetKey())
	if err != nil {
		return err
	}
	return in.Send(&storagev1.PutResponse{})
}

// store stores what a host sends.
func (s *Server) store(b storage.Backend, begin *storagev1.PutRequest_Begin, in grpc.BidiStreamingServer[storagev1.PutRequest, storagev1.PutResponse]) error {
	put := b.Put
	if begin.GetCreate() {
		creator, ok := storage.As[storage.Creator](b)
		if !ok {
			return notDeclared("create objects only where there are none")
		}
		put = creator.Create
	}
	var src interface {
		storage.Source
		finished() error
	} = newUpload(in, begin.GetSizeBytes(), nil)
	ready := func(token []byte) error {
		return in.Send(&storagev1.PutResponse{Ready: &storagev1.PutResponse_Ready{Token: token, File: true}})
	}
	switch {
	case begin.GetSocket() && s.data != nil:
		arrival, err := s.meet(in.Context(), ready)
		if err != nil {
			return err
		}
		defer arrival.Close() // what counts is the commit
		if arrival.File == nil {
			src = newUpload(in, begin.GetSizeBytes(), arrival)
			break
		}
		file, err := newPassed(in, arrival.File, begin)
		if err != nil {
			return err
		}
		src = file
		defer file.telling(s.progress)()
	case begin.GetSocket():
		if err := ready(nil); err != nil {
			return err
		}
	}
	if err := put(in.Context(), begin.GetKey(), src); err != nil {
		return err
	}
	return src.finished()
}
