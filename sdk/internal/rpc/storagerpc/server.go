package storagerpc

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/pb/storagev1"
	"github.com/corral-fleet/corral/sdk/internal/rpc"
	"github.com/corral-fleet/corral/sdk/storage"
)

// Server serves the backends that find returns for the handle of an instance.
type Server struct {
	storagev1.UnimplementedStorageServiceServer
	find func(instance string) (storage.Backend, error)
}

// NewServer returns a server of backends, which are looked up for each call.
func NewServer(find func(instance string) (storage.Backend, error)) *Server {
	return &Server{find: find}
}

// Register adds the service to a gRPC server.
func (s *Server) Register(to grpc.ServiceRegistrar) { storagev1.RegisterStorageServiceServer(to, s) }

// on calls do with the backend of an instance, and returns a status for its error.
// Keys are checked here, so that a backend is only ever called with keys.
func (s *Server) on(instance string, do func(storage.Backend) error, keys ...string) error {
	b, err := s.find(instance)
	if err != nil {
		return rpc.Status(err)
	}
	for _, key := range keys {
		if err := storage.CheckKey(key); err != nil {
			return rpc.Status(err)
		}
	}
	return rpc.Status(do(b))
}

// Stat implements the service.
func (s *Server) Stat(ctx context.Context, r *storagev1.StatRequest) (*storagev1.StatResponse, error) {
	out := &storagev1.StatResponse{}
	err := s.on(r.GetInstance(), func(b storage.Backend) error {
		info, err := b.Stat(ctx, r.GetKey())
		out.Object = toObject(info)
		return err
	}, r.GetKey())
	return out, err
}

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
		return errors.Join(send(out, in), in.Close())
	}, r.GetKey())
}

// send sends an object. The header goes out when its first bytes have come, so that
// an object that turns out not to be there is an error instead.
func send(out grpc.ServerStreamingServer[storagev1.GetResponse], in io.Reader) error {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	total := int64(0)
	for begun := false; ; begun = true {
		n, err := fill(in, *buffer)
		if err != nil && err != io.EOF {
			return err
		}
		if !begun {
			if err := out.Send(&storagev1.GetResponse{Part: &storagev1.GetResponse_Header_{Header: &storagev1.GetResponse_Header{}}}); err != nil {
				return err
			}
		}
		if n > 0 {
			total += int64(n)
			if err := out.Send(&storagev1.GetResponse{Part: &storagev1.GetResponse_Data{Data: (*buffer)[:n]}}); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return out.Send(&storagev1.GetResponse{Part: &storagev1.GetResponse_Trailer_{Trailer: &storagev1.GetResponse_Trailer{Bytes: total}}})
		}
	}
}

// Put implements the service.
func (s *Server) Put(in grpc.ClientStreamingServer[storagev1.PutRequest, storagev1.PutResponse]) error {
	first, err := in.Recv()
	if err != nil {
		return err
	}
	begin := first.GetBegin()
	if begin == nil {
		return rpc.Status(fault.New(fault.Invalid, "an upload begins with something else").On(fault.Caller))
	}
	err = s.on(begin.GetInstance(), func(b storage.Backend) error {
		src := newUpload(in, begin.GetSizeBytes())
		put := b.Put
		if begin.GetCreate() {
			creator, ok := storage.As[storage.Creator](b)
			if !ok {
				return notDeclared("create objects only where there are none")
			}
			put = creator.Create
		}
		if err := put(in.Context(), begin.GetKey(), src); err != nil {
			return err
		}
		return src.finished()
	}, begin.GetKey())
	if err != nil {
		return err
	}
	return in.SendAndClose(&storagev1.PutResponse{})
}

// Delete implements the service.
func (s *Server) Delete(ctx context.Context, r *storagev1.DeleteRequest) (*storagev1.DeleteResponse, error) {
	err := s.on(r.GetInstance(), func(b storage.Backend) error { return b.Delete(ctx, r.GetKey()) }, r.GetKey())
	return &storagev1.DeleteResponse{}, err
}

// List implements the service.
func (s *Server) List(r *storagev1.ListRequest, out grpc.ServerStreamingServer[storagev1.ListResponse]) error {
	return s.on(r.GetInstance(), func(b storage.Backend) error {
		if err := storage.CheckPrefix(r.GetPrefix()); err != nil {
			return err
		}
		batch := &storagev1.ListResponse{}
		for info, err := range b.List(out.Context(), r.GetPrefix()) {
			if err != nil {
				return err
			}
			batch.Objects = append(batch.Objects, toObject(info))
			if len(batch.Objects) == listBatch {
				if err := out.Send(batch); err != nil {
					return err
				}
				batch = &storagev1.ListResponse{}
			}
		}
		if len(batch.Objects) == 0 {
			return nil
		}
		return out.Send(batch)
	})
}

// Page implements the service, for any backend.
func (s *Server) Page(ctx context.Context, r *storagev1.PageRequest) (*storagev1.PageResponse, error) {
	var out *storagev1.PageResponse
	err := s.on(r.GetInstance(), func(b storage.Backend) error {
		page, err := storage.ListPage(ctx, b, storage.PageRequest{
			Prefix: r.GetPrefix(), Folders: r.GetFolders(), Token: r.GetToken(), Limit: int(r.GetLimit()),
		})
		out = toPage(page)
		return err
	})
	return out, err
}

// Copy implements the service.
func (s *Server) Copy(ctx context.Context, r *storagev1.CopyRequest) (*storagev1.CopyResponse, error) {
	err := s.on(r.GetInstance(), func(b storage.Backend) error {
		copier, ok := storage.As[storage.Copier](b)
		if !ok {
			return notDeclared("copy objects")
		}
		return copier.Copy(ctx, r.GetTarget(), r.GetSource())
	}, r.GetTarget(), r.GetSource())
	return &storagev1.CopyResponse{}, err
}

// Presign implements the service.
func (s *Server) Presign(ctx context.Context, r *storagev1.PresignRequest) (*storagev1.PresignResponse, error) {
	var out *storagev1.PresignResponse
	err := s.on(r.GetInstance(), func(b storage.Backend) error {
		presigner, ok := storage.As[storage.Presigner](b)
		if !ok {
			return notDeclared("sign addresses")
		}
		signed, err := presigner.PresignGet(ctx, r.GetKey(), time.Duration(r.GetTtlMs())*time.Millisecond)
		out = toPresigned(signed)
		return err
	}, r.GetKey())
	return out, err
}

// Locate implements the service.
func (s *Server) Locate(ctx context.Context, r *storagev1.LocateRequest) (*storagev1.LocateResponse, error) {
	out := &storagev1.LocateResponse{}
	err := s.on(r.GetInstance(), func(b storage.Backend) (err error) {
		locator, ok := storage.As[storage.Locator](b)
		if !ok {
			return notDeclared("tell where its files are")
		}
		out.Path, err = locator.LocalPath(ctx, r.GetKey())
		return err
	}, r.GetKey())
	return out, err
}

// Sweep implements the service.
func (s *Server) Sweep(ctx context.Context, r *storagev1.SweepRequest) (*storagev1.SweepResponse, error) {
	out := &storagev1.SweepResponse{}
	err := s.on(r.GetInstance(), func(b storage.Backend) error {
		sweeper, ok := storage.As[storage.Sweeper](b)
		if !ok {
			return notDeclared("sweep up uploads")
		}
		n, err := sweeper.Sweep(ctx, time.Duration(r.GetAgeMs())*time.Millisecond)
		out.Swept = int64(n)
		return err
	})
	return out, err
}

func notDeclared(what string) error {
	return fault.New(fault.NotImplemented, "this storage cannot %s", what).On(fault.Caller)
}
