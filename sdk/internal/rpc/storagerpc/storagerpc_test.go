package storagerpc

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/pb/pluginv1"
	"github.com/corral-fleet/corral/sdk/internal/pb/storagev1"
	"github.com/corral-fleet/corral/sdk/internal/rpc/datasocket"
	"github.com/corral-fleet/corral/sdk/internal/rpc/pluginrpc"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/memory"
	"github.com/corral-fleet/corral/sdk/storage/storagetest"
)

// dial serves with register and returns a connection to it.
func dial(t testing.TB, register func(grpc.ServiceRegistrar)) *grpc.ClientConn {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	register(server)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return conn
}

// socket serves a data socket, and returns the directory that it is in.
func socket(t testing.TB) (*datasocket.Listener, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "data") //nolint:usetesting // a test's name makes it too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	l, err := datasocket.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- l.Serve() }()
	t.Cleanup(func() {
		if err := errors.Join(l.Close(), <-ended, os.Remove(dir)); err != nil {
			t.Error(err)
		}
	})
	return l, dir
}

// serve serves a backend, and returns a connection to it and the directory that its
// data socket is in.
func serve(t testing.TB, b storage.Backend) (*grpc.ClientConn, string) {
	t.Helper()
	data, dir := socket(t)
	return dial(t, func(to grpc.ServiceRegistrar) {
		pluginv1.RegisterPluginServiceServer(to, healthy{})
		server := NewServer(func(instance string) (storage.Backend, error) {
			if instance != "one" {
				return nil, fault.New(fault.NotFound, "there is no instance %q", instance)
			}
			return b, nil
		}, data)
		server.progress = time.Millisecond
		server.Register(to)
	}), dir
}

// over returns a backend as it is on the other side of a connection, whose data
// passes the data socket.
func over(t testing.TB, b storage.Backend) *Client {
	t.Helper()
	conn, dir := serve(t, b)
	return NewClient(conn, handleOf(b), dir)
}

// overMessages returns a backend whose data passes the connection.
func overMessages(t testing.TB, b storage.Backend) *Client {
	t.Helper()
	conn, _ := serve(t, b)
	return NewClient(conn, handleOf(b), "")
}

func handleOf(b storage.Backend) pluginrpc.Handle {
	return pluginrpc.Handle{Instance: "one", Capabilities: uint32(storage.CapabilitiesOf(b)), DataSocket: "data"}
}

// planes are the ways that data can take.
var planes = map[string]func(testing.TB, storage.Backend) *Client{"socket": over, "messages": overMessages}

// healthy is a plugin whose instances would serve.
type healthy struct {
	pluginv1.UnimplementedPluginServiceServer
}

func (healthy) Health(context.Context, *pluginv1.HealthRequest) (*pluginv1.HealthResponse, error) {
	return &pluginv1.HealthResponse{}, nil
}

// whole is a backend that can do all that there is.
type whole struct{ *memory.Backend }

func (w whole) Copy(ctx context.Context, target, source string) error {
	return storage.CopyObject(ctx, w.Backend, target, source)
}

func (whole) PresignGet(_ context.Context, key string, ttl time.Duration) (storage.Presigned, error) {
	return storage.Presigned{URL: "http://service/" + key, Header: map[string][]string{"A": {"1", "2"}}, ExpiresAt: time.Unix(1000, 0).Add(ttl).UTC()}, nil
}

func (whole) LocalPath(_ context.Context, key string) (string, error) { return "/" + key, nil }
func (whole) Sweep(_ context.Context, age time.Duration) (int, error) { return int(age.Seconds()), nil }
func (whole) Address() string                                         { return "memory://" }

// checked is what of it the contract is checked of.
type checked struct{ whole }

func (checked) Capabilities() storage.Capabilities {
	return storage.CanCopy | storage.CanCreate | storage.CanPage | storage.CanSweep
}

func TestContract(t *testing.T) {
	for name, over := range planes {
		t.Run(name, func(t *testing.T) {
			storagetest.Run(t, func(t *testing.T) storage.Backend { return over(t, checked{whole{memory.New(1 << 30)}}) })
		})
	}
}

func TestWhatIsBeyondTheChecksCrossesToo(t *testing.T) {
	b := over(t, whole{memory.New(1000)})
	signed, err := b.PresignGet(t.Context(), "k", time.Minute)
	if err != nil || signed.URL != "http://service/k" || strings.Join(signed.Header["A"], "") != "12" || !signed.ExpiresAt.Equal(time.Unix(1060, 0)) {
		t.Errorf("%+v, %v", signed, err)
	}
	if path, err := b.LocalPath(t.Context(), "k"); path != "/k" || err != nil {
		t.Errorf("%q, %v", path, err)
	}
	if n, err := b.Sweep(t.Context(), time.Hour); n != 3600 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestWhatIsNotDeclaredIsRefused(t *testing.T) {
	b := over(t, onlyBackend{memory.New(1000)})
	for name, err := range map[string]error{
		"create":  b.Create(t.Context(), "k", storage.Bytes(nil)),
		"copy":    b.Copy(t.Context(), "k", "l"),
		"presign": second(b.PresignGet(t.Context(), "k", 1)),
		"locate":  second(b.LocalPath(t.Context(), "k")),
		"sweep":   second(b.Sweep(t.Context(), 1)),
	} {
		if fault.KindOf(err) != fault.NotImplemented {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, ok := storage.As[storage.Creator](storage.Backend(b)); ok {
		t.Error("it is taken for a Creator")
	}
}

func second[T any](_ T, err error) error { return err }

type onlyBackend struct{ storage.Backend }

func TestNoBackendIsCalledWithWhatIsNoKey(t *testing.T) {
	b := over(t, whole{memory.New(1000)})
	for _, key := range []string{"", "../../bin/sh", "a\x00b", "/a", ".corral/x"} {
		for name, err := range map[string]error{
			"stat":   second(b.Stat(t.Context(), key)),
			"get":    second(b.Get(t.Context(), key, storage.Range{})),
			"put":    b.Put(t.Context(), key, storage.Bytes(nil)),
			"delete": b.Delete(t.Context(), key),
			"copy":   b.Copy(t.Context(), "fine", key),
		} {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%s %q: %v", name, key, err)
			}
		}
	}
}

// lazy is a backend that says it has stored what it did not read.
type lazy struct{ storage.Backend }

func (lazy) Put(_ context.Context, _ string, src storage.Source) error {
	in, err := src.Open()
	if err != nil {
		return err
	}
	_, err = in.Read(make([]byte, 1))
	return err
}

func TestAPluginThatDoesNotReadItAllIsFoundOut(t *testing.T) {
	for name, over := range planes {
		err := over(t, lazy{memory.New(1000)}).Put(t.Context(), "k", storage.Bytes(make([]byte, 3*DataBytes)))
		if fault.KindOf(err) != fault.Internal || fault.SideOf(err) != fault.Plugin {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// send sends the parts of an upload by hand, and returns what the plugin says.
func (c *Client) sendParts(t *testing.T, parts ...*storagev1.PutRequest) error {
	t.Helper()
	out, err := c.storage.Put(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if err := out.Send(p); err != nil {
			break // the answer says why
		}
	}
	if err := out.CloseSend(); err != nil {
		t.Fatal(err)
	}
	return answer(t.Context(), out, func(int64) {})
}

func begin(size int64) *storagev1.PutRequest {
	return &storagev1.PutRequest{Part: &storagev1.PutRequest_Begin_{Begin: &storagev1.PutRequest_Begin{Instance: "one", Key: "k", SizeBytes: size}}}
}

func data(s string) *storagev1.PutRequest {
	return &storagev1.PutRequest{Part: &storagev1.PutRequest_Data{Data: []byte(s)}}
}

func commit(s string) *storagev1.PutRequest {
	sum := sha256.Sum256([]byte(s))
	return &storagev1.PutRequest{Part: &storagev1.PutRequest_Commit_{Commit: &storagev1.PutRequest_Commit{Bytes: int64(len(s)), Sha256: sum[:]}}}
}

func TestOnlyWhatIsCommittedToIsStored(t *testing.T) {
	for name, c := range map[string]struct {
		parts []*storagev1.PutRequest
		want  fault.Kind
	}{
		"whole":              {[]*storagev1.PutRequest{begin(4), data("ab"), data("cd"), commit("abcd")}, fault.None},
		"of unknown size":    {[]*storagev1.PutRequest{begin(-1), data("ab"), data(""), data("cd"), commit("abcd")}, fault.None},
		"empty":              {[]*storagev1.PutRequest{begin(0), commit("")}, fault.None},
		"no commit":          {[]*storagev1.PutRequest{begin(4), data("abcd")}, fault.Canceled},
		"no data":            {[]*storagev1.PutRequest{begin(4)}, fault.Canceled},
		"abort":              {[]*storagev1.PutRequest{begin(4), data("abcd"), {Part: &storagev1.PutRequest_Abort_{}}}, fault.Canceled},
		"another digest":     {[]*storagev1.PutRequest{begin(4), data("abcd"), commit("abce")}, fault.Corrupt},
		"fewer bytes":        {[]*storagev1.PutRequest{begin(5), data("abcd"), commit("abcd")}, fault.Invalid},
		"more bytes":         {[]*storagev1.PutRequest{begin(3), data("abcd"), commit("abcd")}, fault.Invalid},
		"committed to fewer": {[]*storagev1.PutRequest{begin(-1), data("abcd"), commit("abc")}, fault.Invalid},
		"an unknown part":    {[]*storagev1.PutRequest{begin(-1), {}, commit("")}, fault.Invalid},
		"no beginning":       {[]*storagev1.PutRequest{data("abcd"), commit("abcd")}, fault.Invalid},
		"begun twice":        {[]*storagev1.PutRequest{begin(-1), begin(-1), commit("")}, fault.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			b := over(t, memory.New(1000))
			if err := b.sendParts(t, c.parts...); fault.KindOf(err) != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
			if _, err := b.Stat(t.Context(), "k"); (err == nil) != (c.want == fault.None) {
				t.Errorf("then Stat: %v", err)
			}
		})
	}
}

// badPlugin sends downloads that no plugin may send.
type badPlugin struct {
	storagev1.UnimplementedStorageServiceServer
	parts []*storagev1.GetResponse
}

func (b *badPlugin) Get(_ *storagev1.GetRequest, out grpc.ServerStreamingServer[storagev1.GetResponse]) error {
	for _, p := range b.parts {
		if err := out.Send(p); err != nil {
			return err
		}
	}
	return nil
}

func TestADownloadNeverEndsEarlyWithoutAnError(t *testing.T) {
	header := &storagev1.GetResponse{Part: &storagev1.GetResponse_Header_{}}
	bytes := &storagev1.GetResponse{Part: &storagev1.GetResponse_Data{Data: []byte("abcd")}}
	trailer := func(n int64) *storagev1.GetResponse {
		return &storagev1.GetResponse{Part: &storagev1.GetResponse_Trailer_{Trailer: &storagev1.GetResponse_Trailer{Bytes: n}}}
	}
	for name, c := range map[string]struct {
		parts []*storagev1.GetResponse
		want  fault.Kind
	}{
		"whole":              {[]*storagev1.GetResponse{header, bytes, {}, trailer(4)}, fault.None},
		"nothing":            {nil, fault.Unavailable},
		"no header":          {[]*storagev1.GetResponse{bytes, trailer(4)}, fault.Corrupt},
		"no trailer":         {[]*storagev1.GetResponse{header, bytes}, fault.Unavailable},
		"no data":            {[]*storagev1.GetResponse{header}, fault.Unavailable},
		"another trailer":    {[]*storagev1.GetResponse{header, bytes, trailer(5)}, fault.Corrupt},
		"more than it tells": {[]*storagev1.GetResponse{header, bytes, bytes, trailer(4)}, fault.Corrupt},
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, func(to grpc.ServiceRegistrar) { storagev1.RegisterStorageServiceServer(to, &badPlugin{parts: c.parts}) })
			in, err := NewClient(conn, pluginrpc.Handle{}, "").Get(t.Context(), "k", storage.Range{})
			if err == nil {
				_, err = io.ReadAll(in)
				err = errors.Join(err, in.Close())
			}
			if fault.KindOf(err) != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}
