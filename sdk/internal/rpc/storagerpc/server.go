package storagerpc

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/pb/storagev1"
	"github.com/corral-fleet/corral/sdk/internal/rpc"
	"github.com/corral-fleet/corral/sdk/internal/rpc/datasocket"
	"github.com/corral-fleet/corral/sdk/storage"
)

// Server serves the backends that find returns for the handle of an instance.
type Server struct {
	storagev1.UnimplementedStorageServiceServer
	find func(instance string) (storage.Backend, error)
	data *datasocket.Listener

	progress time.Duration // between what a host is told of a file that it has passed
}

// NewServer returns a server of backends, which are looked up for each call. data is
// where their bytes pass if the host wants that, or nil.
func NewServer(find func(instance string) (storage.Backend, error), data *datasocket.Listener) *Server {
	return &Server{find: find, data: data, progress: time.Second}
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
