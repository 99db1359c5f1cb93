package loaderrpc

import (
	"context"

	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/pb/loaderv1"
	"github.com/corral-fleet/corral/sdk/internal/rpc"
	"github.com/corral-fleet/corral/sdk/loader"
)

// Server serves the loaders that find returns for the handle of an instance.
type Server struct {
	loaderv1.UnimplementedLoaderServiceServer
	find func(instance string) (loader.Loader, error)
}

// NewServer returns a server of loaders, which are looked up for each call.
func NewServer(find func(instance string) (loader.Loader, error)) *Server {
	return &Server{find: find}
}

// Register adds the service to a gRPC server.
func (s *Server) Register(to grpc.ServiceRegistrar) { loaderv1.RegisterLoaderServiceServer(to, s) }

// on calls do with the loader of an instance, and returns a status for its error.
func (s *Server) on(instance string, do func(loader.Loader) error) error {
	l, err := s.find(instance)
	if err != nil {
		return rpc.Status(err)
	}
	return rpc.Status(ofFiles(do(l)))
}

// ofFiles returns an error of a loader with its side: what it says of files is of those
// who have them.
func ofFiles(err error) error {
	switch kind := fault.KindOf(err); kind {
	case fault.Invalid, fault.Corrupt, fault.TooLarge, fault.NotFound, fault.NotImplemented, fault.Conflict:
		if fault.SideOf(err) == fault.Ours {
			return fault.Wrap(kind, err, "%s", fault.MessageOf(err)).On(fault.Caller)
		}
	}
	return err
}

// Probe implements the service.
func (s *Server) Probe(ctx context.Context, r *loaderv1.ProbeRequest) (out *loaderv1.ProbeResponse, err error) {
	files := fromFiles(r.GetFiles())
	err = s.on(r.GetInstance(), func(l loader.Loader) error {
		if err := loader.CheckFiles(files); err != nil {
			return err
		}
		guess, err := l.Probe(ctx, files)
		out = toGuess(guess)
		return err
	})
	return out, err
}

// Plan implements the service.
func (s *Server) Plan(ctx context.Context, r *loaderv1.PlanRequest) (out *loaderv1.PlanResponse, err error) {
	err = s.on(r.GetInstance(), func(l loader.Loader) error {
		recipe, err := l.Plan(ctx, fromRequest(r))
		out = &loaderv1.PlanResponse{Recipe: toRecipe(recipe)}
		return err
	})
	return out, err
}

// Inspect implements the service.
func (s *Server) Inspect(stream grpc.BidiStreamingServer[loaderv1.InspectRequest, loaderv1.InspectResponse]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	begin := first.GetBegin()
	return s.on(begin.GetInstance(), func(l loader.Loader) error {
		files := fromFiles(begin.GetFiles())
		if err := loader.CheckFiles(files); err != nil {
			return err
		}
		info, err := l.Inspect(stream.Context(), newRemote(stream, files))
		if err != nil {
			return err
		}
		return stream.Send(&loaderv1.InspectResponse{Part: &loaderv1.InspectResponse_Info{Info: toInfo(info)}})
	})
}
