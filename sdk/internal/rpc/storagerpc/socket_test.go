package storagerpc

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"io"
	"iter"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/pb/storagev1"
	"github.com/corral-fleet/corral/sdk/internal/rpc/datasocket"
	"github.com/corral-fleet/corral/sdk/internal/rpc/pluginrpc"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/memory"
)

// large is more than a message carries, so that it is worth a connection.
const large = 3*DataBytes + 17

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

// spy is a backend that tells whether its uploads come by the socket.
type spy struct {
	storage.Backend
	bySocket []bool
}

func (s *spy) Put(ctx context.Context, key string, src storage.Source) error {
	s.bySocket = append(s.bySocket, src.(*upload).socket != nil)
	return s.Backend.Put(ctx, key, src)
}

func TestWhatIsLargePassesTheSocket(t *testing.T) {
	seen := &spy{Backend: memory.New(1 << 30)}
	b := over(t, seen)
	for _, c := range []struct {
		size     int
		unknown  bool
		bySocket bool
	}{{0, false, false}, {DataBytes, false, false}, {DataBytes + 1, false, true}, {large, false, true}, {1, true, true}, {0, true, true}, {large, true, true}} {
		seen.bySocket = nil
		content := pattern(c.size)
		src := storage.Bytes(content)
		if c.unknown {
			src = storage.Once(bytes.NewReader(content), -1)
		}
		if err := b.Put(t.Context(), "k", src); err != nil {
			t.Fatal(err)
		}
		if len(seen.bySocket) != 1 || seen.bySocket[0] != c.bySocket {
			t.Errorf("%+v: by socket %v", c, seen.bySocket)
		}
		in, err := b.Get(t.Context(), "k", storage.Range{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%+v: %d bytes came back, %v", c, len(got), err)
		}
		if bySocket := in.(*download).socket != nil; bySocket != (c.size >= DataBytes) {
			t.Errorf("%+v: read by socket %v", c, bySocket)
		}
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Readers that want little at a time, and much, get the same.
func TestAnUploadIsReadInPiecesOfAnySize(t *testing.T) {
	for _, piece := range []int{1, 2, 7, 4096, large + 1} {
		content := pattern(min(large, 2000*piece))
		got := &bytes.Buffer{}
		b := over(t, readsInPieces{memory.New(1), piece, got})
		if err := b.Put(t.Context(), "k", storage.Once(bytes.NewReader(content), -1)); err != nil || !bytes.Equal(got.Bytes(), content) {
			t.Errorf("%d at a time: %d bytes, %v", piece, got.Len(), err)
		}
	}
}

type readsInPieces struct {
	storage.Backend
	piece int
	to    *bytes.Buffer
}

func (r readsInPieces) Put(_ context.Context, _ string, src storage.Source) error {
	in, err := src.Open()
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{r.to}, in, make([]byte, r.piece))
	return err
}

// uploadBySocket begins an upload whose data passes the socket.
func (c *Client) uploadBySocket(t *testing.T, size int64) (putStream, *net.UnixConn) {
	t.Helper()
	out, err := c.storage.Put(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	what := begin(size)
	what.GetBegin().Socket = true
	if err := out.Send(what); err != nil {
		t.Fatal(err)
	}
	s := &sending{out: out}
	if err := c.meet(t.Context(), s, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.socket.Close() })
	return out, s.socket
}

func TestOnlyWhatIsCommittedToIsStoredBySocket(t *testing.T) {
	abort := &storagev1.PutRequest{Part: &storagev1.PutRequest_Abort_{}}
	for name, c := range map[string]struct {
		size  int64
		bytes string
		end   *storagev1.PutRequest
		want  fault.Kind
	}{
		"whole":              {4, "abcd", commit("abcd"), fault.None},
		"of unknown size":    {-1, "abcd", commit("abcd"), fault.None},
		"empty":              {-1, "", commit(""), fault.None},
		"no commit":          {4, "abcd", nil, fault.Canceled},
		"nothing":            {-1, "", nil, fault.Canceled},
		"abort":              {4, "abcd", abort, fault.Canceled},
		"another digest":     {4, "abcd", commit("abce"), fault.Corrupt},
		"fewer bytes":        {5, "abcd", commit("abcd"), fault.Invalid},
		"more bytes":         {3, "abcd", commit("abcd"), fault.Invalid},
		"committed to more":  {-1, "abc", commit("abcd"), fault.Invalid},
		"committed to fewer": {-1, "abcd", commit("abc"), fault.Invalid},
		"data beside":        {-1, "ab", data("cd"), fault.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			b := over(t, memory.New(1000))
			out, conn := b.uploadBySocket(t, c.size)
			if _, err := conn.Write([]byte(c.bytes)); err != nil {
				t.Fatal(err)
			}
			conn.Close()
			if c.end != nil {
				if err := out.Send(c.end); err != nil && !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
			}
			if err := out.CloseSend(); err != nil {
				t.Fatal(err)
			}
			if err := answer(t.Context(), out, func(int64) {}); fault.KindOf(err) != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
			if _, err := b.Stat(t.Context(), "k"); (err == nil) != (c.want == fault.None) {
				t.Errorf("then Stat: %v", err)
			}
		})
	}
}

// badSender sends downloads by the socket that no plugin may send.
type badSender struct {
	storagev1.UnimplementedStorageServiceServer
	data   *datasocket.Listener
	parts  []*storagev1.GetResponse
	bytes  string
	failed error
}

func (b *badSender) Get(_ *storagev1.GetRequest, out grpc.ServerStreamingServer[storagev1.GetResponse]) error {
	conn, err := (&Server{data: b.data}).meet(out.Context(), func(token []byte) error {
		return out.Send(&storagev1.GetResponse{Part: &storagev1.GetResponse_Header_{Header: &storagev1.GetResponse_Header{Token: token}}})
	})
	if err != nil {
		return err
	}
	if _, err := io.WriteString(conn, b.bytes); err != nil {
		return err
	}
	conn.Close()
	for _, p := range b.parts {
		if err := out.Send(p); err != nil {
			return err
		}
	}
	return b.failed
}

func TestADownloadBySocketNeverEndsEarlyWithoutAnError(t *testing.T) {
	trailer := func(n int64, of string) *storagev1.GetResponse {
		sum := crc32.ChecksumIEEE([]byte(of))
		return &storagev1.GetResponse{Part: &storagev1.GetResponse_Trailer_{Trailer: &storagev1.GetResponse_Trailer{Bytes: n, Crc32: &sum}}}
	}
	noSum := trailer(4, "abcd")
	noSum.GetTrailer().Crc32 = nil
	one := &storagev1.GetResponse{Part: &storagev1.GetResponse_Data{Data: []byte("d")}}
	for name, c := range map[string]struct {
		bytes string
		parts []*storagev1.GetResponse
		want  fault.Kind
	}{
		"whole":         {"abcd", []*storagev1.GetResponse{{}, trailer(4, "abcd")}, fault.None},
		"without a sum": {"abcd", []*storagev1.GetResponse{noSum}, fault.None},
		"empty":         {"", []*storagev1.GetResponse{trailer(0, "")}, fault.None},
		"no trailer":    {"abcd", nil, fault.Unavailable},
		"nothing":       {"", nil, fault.Unavailable},
		"cut off":       {"abc", []*storagev1.GetResponse{trailer(4, "abcd")}, fault.Unavailable},
		"more":          {"abcde", []*storagev1.GetResponse{trailer(4, "abcd")}, fault.Corrupt},
		"other bytes":   {"abce", []*storagev1.GetResponse{trailer(4, "abcd")}, fault.Corrupt},
		"data beside":   {"abc", []*storagev1.GetResponse{one, trailer(4, "abcd")}, fault.Corrupt},
	} {
		t.Run(name, func(t *testing.T) {
			data, dir := socket(t)
			conn := dial(t, func(to grpc.ServiceRegistrar) {
				storagev1.RegisterStorageServiceServer(to, &badSender{data: data, parts: c.parts, bytes: c.bytes})
			})
			in, err := NewClient(conn, pluginrpc.Handle{DataSocket: data.Name()}, dir).Get(t.Context(), "k", storage.Range{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(in)
			if fault.KindOf(err) != c.want || err == nil && string(got) != c.bytes {
				t.Errorf("%q, %v, want %v", got, err, c.want)
			}
			if err := in.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// stubborn is a backend whose objects fail after a while, and that takes so many bytes
// of an upload.
type stubborn struct{ storage.Backend }

var errFull = fault.New(fault.NoSpace, "there is no space left").On(fault.Service)

func (stubborn) Get(context.Context, string, storage.Range) (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(bytes.NewReader(pattern(large)), failing{})), nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) {
	return 0, fault.New(fault.RateLimited, "not so fast").On(fault.Service).After(3 * time.Second)
}

func (stubborn) Put(_ context.Context, _ string, src storage.Source) error {
	in, err := src.Open()
	if err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, in, large); err != nil {
		return err
	}
	return errFull
}

// endless is a source without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestErrorsInTheMiddleKeepTheirKind(t *testing.T) {
	for name, over := range planes {
		t.Run(name, func(t *testing.T) {
			b := over(t, stubborn{memory.New(1)})
			if err := b.Put(t.Context(), "k", storage.Once(endless{}, -1)); fault.KindOf(err) != fault.NoSpace || fault.SideOf(err) != fault.Service {
				t.Errorf("an upload: %v", err)
			}
			in, err := b.Get(t.Context(), "k", storage.Range{})
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			n, err := io.Copy(io.Discard, in)
			if n < 2*DataBytes || fault.KindOf(err) != fault.RateLimited || fault.RetryAfterOf(err) != 3*time.Second {
				t.Errorf("a download: %d bytes, %v", n, err)
			}
		})
	}
}

// still is a backend that neither reads nor sends anything more.
type still struct {
	storage.Backend
	reached chan struct{}
	ended   chan error
}

func (s still) Get(ctx context.Context, _ string, _ storage.Range) (io.ReadCloser, error) {
	wait := waiting{ctx, s.reached}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(pattern(large)), wait), wait}, nil
}

type waiting struct {
	ctx     context.Context
	reached chan struct{}
}

func (w waiting) Read([]byte) (int, error) {
	close(w.reached)
	<-w.ctx.Done()
	return 0, w.ctx.Err()
}

func (waiting) Close() error { return nil }

func (s still) Put(ctx context.Context, _ string, src storage.Source) error {
	in, err := src.Open()
	if err == nil {
		_, err = in.Read(make([]byte, 10))
	}
	if err != nil {
		return err
	}
	close(s.reached)
	<-ctx.Done()
	_, err = in.Read(make([]byte, large))
	for err == nil {
		_, err = in.Read(make([]byte, large))
	}
	s.ended <- err
	return err
}

func TestATransferThatStandsStillCanBeCancelled(t *testing.T) {
	for name, over := range planes {
		t.Run(name, func(t *testing.T) {
			b := still{memory.New(1), make(chan struct{}), make(chan error, 1)}
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-b.reached
				cancel()
			}()
			if err := over(t, b).Put(ctx, "k", storage.Once(endless{}, -1)); !errors.Is(err, context.Canceled) {
				t.Errorf("an upload: %v", err)
			}
			if err := <-b.ended; err == io.EOF {
				t.Error("the plugin takes it for whole")
			}
			b.reached = make(chan struct{})
			ctx, cancel = context.WithCancel(t.Context())
			in, err := over(t, b).Get(ctx, "k", storage.Range{})
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			go func() {
				<-b.reached
				cancel()
			}()
			if _, err := io.Copy(io.Discard, in); !errors.Is(err, context.Canceled) {
				t.Errorf("a download: %v", err)
			}
		})
	}
}

// A plugin whose socket can't be reached serves as one that has none.
func TestWithoutASocketDataPassesInMessages(t *testing.T) {
	for name, where := range map[string]func(dir string) (string, string){
		"another directory": func(string) (string, string) { return "/nowhere", "data" },
		"no name":           func(dir string) (string, string) { return dir, "../data" },
	} {
		t.Run(name, func(t *testing.T) {
			seen := &spy{Backend: memory.New(1 << 30)}
			conn, dir := serve(t, seen)
			handle := handleOf(seen)
			dir, handle.DataSocket = where(dir)
			content := pattern(large)
			for range 2 {
				b := NewClient(conn, handle, dir)
				if err := b.Put(t.Context(), "k", storage.Once(bytes.NewReader(content), -1)); err != nil {
					t.Fatal(err)
				}
				in, err := NewClient(conn, handle, dir).Get(t.Context(), "k", storage.Range{OffsetBytes: 1})
				if err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, content[1:]) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				in.Close()
			}
			if len(seen.bySocket) != 2 || seen.bySocket[0] || seen.bySocket[1] {
				t.Errorf("by socket: %v", seen.bySocket)
			}
		})
	}
}

// A plugin that has no socket is asked for one in vain.
func TestAPluginWithoutASocketIsReadyAllTheSame(t *testing.T) {
	_, dir := socket(t)
	conn := dial(t, NewServer(func(string) (storage.Backend, error) { return memory.New(1 << 30), nil }, nil).Register)
	b := NewClient(conn, handleOf(memory.New(1)), dir)
	if err := b.Put(t.Context(), "k", storage.Bytes(pattern(large))); err != nil {
		t.Error(err)
	}
}

// generated is a backend whose objects are made up, and whose uploads go nowhere.
type generated struct {
	storage.Backend
	size int64
}

func (g generated) Get(context.Context, string, storage.Range) (io.ReadCloser, error) {
	return io.NopCloser(io.LimitReader(endless{}, g.size)), nil
}

func (generated) Put(_ context.Context, _ string, src storage.Source) error {
	in, err := src.Open()
	if err == nil {
		_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, in, make([]byte, socketBytes))
	}
	return err
}

func (generated) List(context.Context, string) iter.Seq2[storage.Info, error] {
	return func(func(storage.Info, error) bool) {}
}

func TestReadingBySocketAllocatesNothing(t *testing.T) {
	theirs, ours := net.Pipe()
	go io.Copy(theirs, endless{})
	defer theirs.Close()
	d := &download{socket: ours}
	u := newUpload(nil, -1, ours)
	buffer := make([]byte, 32<<10)
	for name, r := range map[string]io.Reader{"a download": d, "an upload": u} {
		if n := testing.AllocsPerRun(100, func() { io.ReadFull(r, buffer) }); n != 0 { //nolint:errcheck // it can't
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// nothing is a source of so many bytes that are all the same.
type nothing int64

func (n nothing) SizeBytes() int64 { return int64(n) }
func (n nothing) Open() (io.ReadCloser, error) {
	return io.NopCloser(io.LimitReader(endless{}, int64(n))), nil
}

func BenchmarkTransfer(b *testing.B) {
	const size = 256 << 20
	for _, plane := range []string{"socket", "messages"} {
		remote := planes[plane](b, generated{memory.New(1), size})
		b.Run("put/"+plane, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				if err := remote.Put(b.Context(), "k", nothing(size)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("get/"+plane, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			buffer := make([]byte, socketBytes)
			for b.Loop() {
				in, err := remote.Get(b.Context(), "k", storage.Range{})
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, in, buffer); n != size || err != nil {
					b.Fatal(n, err)
				}
				in.Close()
			}
		})
	}
}
