package storagerpc

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/pb/storagev1"
	"github.com/corral-fleet/corral/sdk/internal/rpc"
	"github.com/corral-fleet/corral/sdk/internal/rpc/pluginrpc"
	"github.com/corral-fleet/corral/sdk/storage"
)

// Client is a backend whose instance a plugin has. What it can do is what the plugin
// said at Open.
type Client struct {
	plugin   pluginrpc.Client
	storage  storagev1.StorageServiceClient
	instance string
	can      storage.Capabilities
	address  string

	socketDir string
	socket    string
	useSocket atomic.Bool
}

var (
	_ storage.Backend   = (*Client)(nil)
	_ storage.Limited   = (*Client)(nil)
	_ storage.Copier    = (*Client)(nil)
	_ storage.Creator   = (*Client)(nil)
	_ storage.Presigner = (*Client)(nil)
	_ storage.Pager     = (*Client)(nil)
	_ storage.Locator   = (*Client)(nil)
	_ storage.Checker   = (*Client)(nil)
	_ storage.Sweeper   = (*Client)(nil)
	_ storage.Addresser = (*Client)(nil)

	_ storage.OnlyReader = (*Client)(nil)
)

// NewClient returns the backend that a plugin has opened. socketDir is where the
// plugin has its data socket; without it the data travels in messages.
func NewClient(conn grpc.ClientConnInterface, opened pluginrpc.Handle, socketDir string) *Client {
	c := &Client{
		plugin: pluginrpc.NewClient(conn), storage: storagev1.NewStorageServiceClient(conn), instance: opened.Instance,
		// Pages are cut where the objects are, and the process can be asked for its health.
		can:     storage.Capabilities(opened.Capabilities) | storage.CanPage | storage.CanCheck,
		address: opened.Address, socketDir: socketDir, socket: opened.DataSocket,
	}
	c.useSocket.Store(c.socketDir != "" && c.socket != "")
	return c
}

// Capabilities implements [storage.Limited].
func (c *Client) Capabilities() storage.Capabilities { return c.can }

// OnlyReads implements [storage.OnlyReader].
func (c *Client) OnlyReads() {}

// Address implements [storage.Addresser].
func (c *Client) Address() string { return c.address }

// Stat implements [storage.Backend].
func (c *Client) Stat(ctx context.Context, key string) (storage.Info, error) {
	out, err := c.storage.Stat(ctx, &storagev1.StatRequest{Instance: c.instance, Key: key})
	if err != nil {
		return storage.Info{}, rpc.Fault(ctx, err)
	}
	return fromObject(out.GetObject()), nil
}

// Get implements [storage.Backend].
func (c *Client) Get(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
	request := &storagev1.GetRequest{
		Instance: c.instance, Key: key, OffsetBytes: r.OffsetBytes, LengthBytes: r.LengthBytes, Socket: c.useSocket.Load(),
	}
	d, err := c.download(ctx, request)
	if errors.Is(err, errNoSocket) {
		request.Socket = false
		d, err = c.download(ctx, request)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Put implements [storage.Backend].
func (c *Client) Put(ctx context.Context, key string, src storage.Source) error {
	return c.put(ctx, key, src, false)
}

// Create implements [storage.Creator].
func (c *Client) Create(ctx context.Context, key string, src storage.Source) error {
	return c.put(ctx, key, src, true)
}

// Delete implements [storage.Backend].
func (c *Client) Delete(ctx context.Context, key string) error {
	_, err := c.storage.Delete(ctx, &storagev1.DeleteRequest{Instance: c.instance, Key: key})
	return rpc.Fault(ctx, err)
}

// List implements [storage.Backend].
func (c *Client) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		in, err := c.storage.List(ctx, &storagev1.ListRequest{Instance: c.instance, Prefix: prefix})
		for err == nil {
			var batch *storagev1.ListResponse
			batch, err = in.Recv()
			for _, o := range batch.GetObjects() {
				if !yield(fromObject(o), nil) {
					return
				}
			}
		}
		if err != io.EOF {
			yield(storage.Info{}, rpc.Fault(ctx, err))
		}
	}
}

// Page implements [storage.Pager].
func (c *Client) Page(ctx context.Context, r storage.PageRequest) (storage.Page, error) {
	out, err := c.storage.Page(ctx, &storagev1.PageRequest{
		Instance: c.instance, Prefix: r.Prefix, Folders: r.Folders, Token: r.Token, Limit: int32(min(r.Limit, storage.MaxPage)),
	})
	if err != nil {
		return storage.Page{}, rpc.Fault(ctx, err)
	}
	return fromPage(out), nil
}

// Copy implements [storage.Copier].
func (c *Client) Copy(ctx context.Context, target, source string) error {
	_, err := c.storage.Copy(ctx, &storagev1.CopyRequest{Instance: c.instance, Target: target, Source: source})
	return rpc.Fault(ctx, err)
}

// PresignGet implements [storage.Presigner].
func (c *Client) PresignGet(ctx context.Context, key string, ttl time.Duration) (storage.Presigned, error) {
	out, err := c.storage.Presign(ctx, &storagev1.PresignRequest{Instance: c.instance, Key: key, TtlMs: ttl.Milliseconds()})
	if err != nil {
		return storage.Presigned{}, rpc.Fault(ctx, err)
	}
	return fromPresigned(out), nil
}

// LocalPath implements [storage.Locator].
func (c *Client) LocalPath(ctx context.Context, key string) (string, error) {
	out, err := c.storage.Locate(ctx, &storagev1.LocateRequest{Instance: c.instance, Key: key})
	return out.GetPath(), rpc.Fault(ctx, err)
}

// Sweep implements [storage.Sweeper].
func (c *Client) Sweep(ctx context.Context, age time.Duration) (int, error) {
	out, err := c.storage.Sweep(ctx, &storagev1.SweepRequest{Instance: c.instance, AgeMs: age.Milliseconds()})
	return int(out.GetSwept()), rpc.Fault(ctx, err)
}

// Check implements [storage.Checker].
func (c *Client) Check(ctx context.Context) error {
	return c.plugin.Health(ctx, c.instance)
}

// brokenOff is an object without its end.
func brokenOff() error { return fault.New(fault.Unavailable, "the object broke off").On(fault.Plugin) }

// errClosed is of a reader that was closed.
var errClosed = fault.New(fault.Internal, "a reader is used after its end")

// broken is what a plugin did that no plugin may.
func broken(what string) error {
	return fault.New(fault.Corrupt, "the plugin is wrong: %s", what).On(fault.Plugin)
}
