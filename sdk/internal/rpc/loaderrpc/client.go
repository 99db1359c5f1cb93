package loaderrpc

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/pb/loaderv1"
	"github.com/corral-fleet/corral/sdk/internal/rpc"
	"github.com/corral-fleet/corral/sdk/internal/rpc/pluginrpc"
	"github.com/corral-fleet/corral/sdk/loader"
)

// Client is a loader whose instance a plugin has. What the plugin returns is checked: it
// is a stranger's.
type Client struct {
	plugin   pluginrpc.Client
	loader   loaderv1.LoaderServiceClient
	instance string
}

var _ loader.Loader = (*Client)(nil)

// NewClient returns the loader that a plugin has opened.
func NewClient(conn grpc.ClientConnInterface, opened pluginrpc.Handle) *Client {
	return &Client{plugin: pluginrpc.NewClient(conn), loader: loaderv1.NewLoaderServiceClient(conn), instance: opened.Instance}
}

// Check returns nil when the loader would serve.
func (c *Client) Check(ctx context.Context) error { return c.plugin.Health(ctx, c.instance) }

// Probe implements [loader.Loader].
func (c *Client) Probe(ctx context.Context, files []loader.File) (loader.Guess, error) {
	if err := loader.CheckFiles(files); err != nil {
		return loader.Guess{}, err
	}
	out, err := c.loader.Probe(ctx, &loaderv1.ProbeRequest{Instance: c.instance, Files: toFiles(files)})
	if err != nil {
		return loader.Guess{}, rpc.Fault(ctx, err)
	}
	return fromGuess(out), nil
}

// Plan implements [loader.Loader].
func (c *Client) Plan(ctx context.Context, r loader.Request) (loader.Recipe, error) {
	out, err := c.loader.Plan(ctx, toRequest(c.instance, r))
	if err != nil {
		return loader.Recipe{}, rpc.Fault(ctx, err)
	}
	recipe := fromRecipe(out.GetRecipe())
	if err := recipe.Check(filesOf(r.Info)); err != nil {
		return loader.Recipe{}, ofPlugin(err)
	}
	return recipe, nil
}

// filesOf returns the files that an info names, as far as it tells how long they are.
func filesOf(info loader.Info) []loader.File {
	sizes := map[string]int64{}
	for _, l := range info.Layers {
		for _, p := range l.Parts {
			if p.File != "" {
				sizes[p.File] = max(sizes[p.File], p.OffsetBytes+p.LengthBytes)
			}
		}
	}
	var files []loader.File
	for path, size := range sizes {
		files = append(files, loader.File{Path: path, SizeBytes: size})
	}
	return files
}

// ofPlugin returns what is wrong with what a plugin has returned.
func ofPlugin(err error) error {
	return fault.Wrap(fault.KindOf(err), err, "the plugin is wrong: %s", fault.MessageOf(err)).On(fault.Plugin)
}

// Inspect implements [loader.Loader]. The plugin reads no more than
// [loader.MaxReadBytes], and an error of files ends it.
func (c *Client) Inspect(ctx context.Context, files loader.Files) (loader.Info, error) {
	list := files.List()
	if err := loader.CheckFiles(list); err != nil {
		return loader.Info{}, err
	}
	call, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.loader.Inspect(call)
	if err != nil {
		return loader.Info{}, rpc.Fault(ctx, err)
	}
	begin := &loaderv1.InspectRequest_Begin{Instance: c.instance, Files: toFiles(list)}
	err = stream.Send(&loaderv1.InspectRequest{Part: &loaderv1.InspectRequest_Begin_{Begin: begin}})
	if err != nil && err != io.EOF { // which is that the answer has come
		return loader.Info{}, rpc.Fault(ctx, err)
	}
	info, err := answer(ctx, stream, loader.Limit(files, loader.MaxReadBytes))
	if err != nil {
		return loader.Info{}, err
	}
	if err := info.Check(list); err != nil {
		return loader.Info{}, ofPlugin(err)
	}
	return info, nil
}

// answer reads what the plugin asks for, until it has the info.
func answer(ctx context.Context, stream grpc.BidiStreamingClient[loaderv1.InspectRequest, loaderv1.InspectResponse], files loader.Files) (loader.Info, error) {
	buffer := make([]byte, 0, readBytes)
	for {
		in, err := stream.Recv()
		if err == io.EOF {
			return loader.Info{}, broken("it has ended without an info")
		}
		if err != nil {
			return loader.Info{}, rpc.Fault(ctx, err)
		}
		if info := in.GetInfo(); info != nil {
			return fromInfo(info), nil
		}
		ask := in.GetRead()
		if ask == nil {
			continue // of a later version
		}
		if ask.GetLengthBytes() < 0 || ask.GetLengthBytes() > readBytes {
			return loader.Info{}, broken("it wants to read too much at a time")
		}
		p := buffer[:ask.GetLengthBytes()]
		n, err := files.ReadAt(ctx, ask.GetPath(), p, ask.GetOffsetBytes())
		if err != nil && !errors.Is(err, io.EOF) {
			return loader.Info{}, err
		}
		data := &loaderv1.InspectRequest_Data{Bytes: p[:n]}
		err = stream.Send(&loaderv1.InspectRequest{Part: &loaderv1.InspectRequest_Data_{Data: data}})
		if err != nil && err != io.EOF {
			return loader.Info{}, rpc.Fault(ctx, err)
		}
	}
}
