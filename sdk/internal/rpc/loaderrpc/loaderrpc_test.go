package loaderrpc

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/pb/loaderv1"
	"github.com/corral-fleet/corral/sdk/internal/rpc/pluginrpc"
	"github.com/corral-fleet/corral/sdk/loader"
)

// fake is a loader of functions.
type fake struct {
	probe   func([]loader.File) (loader.Guess, error)
	inspect func(context.Context, loader.Files) (loader.Info, error)
	plan    func(loader.Request) (loader.Recipe, error)
}

func (f fake) Probe(_ context.Context, files []loader.File) (loader.Guess, error) {
	return f.probe(files)
}

func (f fake) Inspect(ctx context.Context, files loader.Files) (loader.Info, error) {
	return f.inspect(ctx, files)
}

func (f fake) Plan(_ context.Context, r loader.Request) (loader.Recipe, error) { return f.plan(r) }

// over returns a loader as it is on the other side of a connection.
func over(t testing.TB, l loader.Loader) *Client {
	t.Helper()
	return overService(t, NewServer(func(instance string) (loader.Loader, error) {
		if instance != "one" {
			return nil, fault.New(fault.NotFound, "there is no instance %q", instance)
		}
		return l, nil
	}))
}

func overService(t testing.TB, s loaderv1.LoaderServiceServer) *Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	loaderv1.RegisterLoaderServiceServer(server, s)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
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
	return NewClient(conn, pluginrpc.Handle{Instance: "one"})
}

// fill sets every field of a value, so that one that is not passed is seen.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(t, field)
		}
	case reflect.String:
		v.SetString("text")
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(`{"a":1}`))
			return
		}
		one := reflect.New(v.Type().Elem()).Elem()
		fill(t, one)
		v.Set(reflect.Append(v, one))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key)
		fill(t, value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	default:
		t.Fatalf("nothing fills a %v", v.Kind())
	}
}

func filled[T any](t *testing.T) T {
	t.Helper()
	var v T
	fill(t, reflect.ValueOf(&v).Elem())
	return v
}

func TestEveryFieldCrosses(t *testing.T) {
	for name, diff := range map[string]string{
		"files":   cmp.Diff([]loader.File{filled[loader.File](t)}, fromFiles(toFiles([]loader.File{filled[loader.File](t)}))),
		"guess":   cmp.Diff(filled[loader.Guess](t), fromGuess(toGuess(filled[loader.Guess](t)))),
		"info":    cmp.Diff(filled[loader.Info](t), fromInfo(toInfo(filled[loader.Info](t)))),
		"request": cmp.Diff(filled[loader.Request](t), fromRequest(toRequest("one", filled[loader.Request](t)))),
		"recipe":  cmp.Diff(filled[loader.Recipe](t), fromRecipe(toRecipe(filled[loader.Recipe](t)))),
	} {
		if diff != "" {
			t.Errorf("%s\n%s", name, diff)
		}
	}
}

// content is of files that are larger than one message.
var content = map[string][]byte{"a": []byte(strings.Repeat("0123456789", 300_000)), "b/c": []byte("short")}

// described is an info of those.
func described() loader.Info {
	return loader.Info{Kind: loader.KindModel, Format: "plain", Layers: []loader.Layer{{
		Role: loader.RoleModel, SizeBytes: 3_000_000, Parts: []loader.Part{{File: "a", LengthBytes: 3_000_000}},
	}}}
}

func TestInspectReadsFiles(t *testing.T) {
	l := over(t, fake{inspect: func(ctx context.Context, files loader.Files) (loader.Info, error) {
		if diff := cmp.Diff([]loader.File{{Path: "a", SizeBytes: 3_000_000}, {Path: "b/c", SizeBytes: 5}}, files.List()); diff != "" {
			t.Error(diff)
		}
		for path, want := range content {
			in, err := loader.Open(ctx, files, path)
			if err != nil {
				t.Fatal(err)
			}
			whole := make([]byte, len(want)+10)
			if n, err := in.ReadAt(whole, 0); err != io.EOF || string(whole[:n]) != string(want) {
				t.Errorf("%s has %d bytes, %v", path, n, err)
			}
			part := make([]byte, 3)
			if n, err := in.ReadAt(part, int64(len(want)-4)); n != 3 || err != nil || string(part) != string(want[len(want)-4:len(want)-1]) {
				t.Errorf("before its end, %s has %q, %v", path, part[:n], err)
			}
			for _, offset := range []int64{int64(len(want)), 1 << 40} {
				if n, err := files.ReadAt(ctx, path, part, offset); n != 0 || err != io.EOF {
					t.Errorf("at %d, %s has %d bytes, %v", offset, path, n, err)
				}
			}
			if _, err := files.ReadAt(ctx, path, part, -1); fault.KindOf(err) != fault.Invalid {
				t.Errorf("before the beginning of %s: %v", path, err)
			}
		}
		if _, err := files.ReadAt(ctx, "d", make([]byte, 1), 0); fault.KindOf(err) != fault.NotFound {
			t.Errorf("a file that is not there: %v", err)
		}
		return described(), nil
	}})
	info, err := l.Inspect(t.Context(), loader.Bytes(content))
	if diff := cmp.Diff(described(), info); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

// failing are files of which nothing can be read.
type failing struct {
	loader.Files
	err error
}

func (f failing) ReadAt(context.Context, string, []byte, int64) (int, error) { return 0, f.err }

func TestAnErrorOfFilesEndsAnInspection(t *testing.T) {
	away := errors.New("the storage is away")
	ended := make(chan error, 1)
	l := over(t, fake{inspect: func(ctx context.Context, files loader.Files) (loader.Info, error) {
		_, err := files.ReadAt(ctx, "a", make([]byte, 10), 0)
		ended <- err
		return loader.Info{}, err
	}})
	if _, err := l.Inspect(t.Context(), failing{loader.Bytes(content), away}); !errors.Is(err, away) {
		t.Errorf("%v, want %v", err, away)
	}
	if err := <-ended; err == nil {
		t.Error("the loader goes on as if it had read something")
	}
}

// boasting are files that are said to be longer than they are.
type boasting struct{ loader.Files }

func (b boasting) List() []loader.File {
	files := b.Files.List()
	files[0].SizeBytes += 1000
	return files
}

func TestAFileThatIsShorterThanItIsSaidToBe(t *testing.T) {
	l := over(t, fake{inspect: func(ctx context.Context, files loader.Files) (loader.Info, error) {
		in, err := loader.Open(ctx, files, "a")
		if err != nil {
			return loader.Info{}, err
		}
		_, err = io.Copy(io.Discard, in)
		return loader.Info{}, err
	}})
	if _, err := l.Inspect(t.Context(), boasting{loader.Bytes(content)}); fault.KindOf(err) != fault.Corrupt || fault.SideOf(err) != fault.Caller {
		t.Errorf("%v on the side of %v", err, fault.SideOf(err))
	}
}

func TestWhoReadsTooMuchIsEnded(t *testing.T) {
	l := over(t, fake{inspect: func(ctx context.Context, files loader.Files) (loader.Info, error) {
		p := make([]byte, 1<<20)
		for ctx.Err() == nil {
			if _, err := files.ReadAt(ctx, "a", p, 0); err != nil {
				return loader.Info{}, err
			}
		}
		return loader.Info{}, ctx.Err()
	}})
	if _, err := l.Inspect(t.Context(), loader.Bytes(content)); fault.KindOf(err) != fault.TooLarge || fault.SideOf(err) != fault.Caller {
		t.Errorf("%v on the side of %v", err, fault.SideOf(err))
	}
}

func TestWhatIsSaidOfFilesIsTheCallers(t *testing.T) {
	for kind, side := range map[fault.Kind]fault.Side{
		fault.Corrupt: fault.Caller, fault.Invalid: fault.Caller, fault.NotFound: fault.Caller, fault.TooLarge: fault.Caller,
		fault.NotImplemented: fault.Caller, fault.Conflict: fault.Caller, fault.Internal: fault.Plugin, fault.Unavailable: fault.Plugin,
	} {
		broken := fault.New(kind, "this is what is wrong")
		l := over(t, fake{
			probe:   func([]loader.File) (loader.Guess, error) { return loader.Guess{}, broken },
			inspect: func(context.Context, loader.Files) (loader.Info, error) { return loader.Info{}, broken },
			plan:    func(loader.Request) (loader.Recipe, error) { return loader.Recipe{}, broken },
		})
		_, probed := l.Probe(t.Context(), loader.Bytes(content).List())
		_, inspected := l.Inspect(t.Context(), loader.Bytes(content))
		_, planned := l.Plan(t.Context(), loader.Request{Info: described()})
		for method, err := range map[string]error{"Probe": probed, "Inspect": inspected, "Plan": planned} {
			if fault.KindOf(err) != kind || fault.SideOf(err) != side || fault.MessageOf(err) != "this is what is wrong" {
				t.Errorf("%s: %v of the kind %v on the side of %v, want %v of %v", method, err, fault.KindOf(err), fault.SideOf(err), kind, side)
			}
		}
	}
}

func TestFilesAreChecked(t *testing.T) {
	called := false
	l := over(t, fake{
		probe:   func([]loader.File) (loader.Guess, error) { called = true; return loader.Guess{}, nil },
		inspect: func(context.Context, loader.Files) (loader.Info, error) { called = true; return loader.Info{}, nil },
	})
	for _, path := range []string{"", "/etc/passwd", "../a", "a//b", "a/./b", "a\\b", "a\x00b", "\xff", strings.Repeat("a", 1025)} {
		files := loader.Bytes(map[string][]byte{path: nil})
		if _, err := l.Probe(t.Context(), files.List()); fault.KindOf(err) != fault.Invalid {
			t.Errorf("Probe of %q: %v", path, err)
		}
		if _, err := l.Inspect(t.Context(), files); fault.KindOf(err) != fault.Invalid {
			t.Errorf("Inspect of %q: %v", path, err)
		}
	}
	if called {
		t.Error("a loader was given what is no file")
	}
}

// rogue is a plugin that breaks the contract.
type rogue struct {
	loaderv1.UnimplementedLoaderServiceServer
	send []*loaderv1.InspectResponse
}

func (r rogue) Inspect(stream grpc.BidiStreamingServer[loaderv1.InspectRequest, loaderv1.InspectResponse]) error {
	for _, m := range r.send {
		if err := stream.Send(m); err != nil {
			return err
		}
	}
	return nil
}

func (rogue) Plan(context.Context, *loaderv1.PlanRequest) (*loaderv1.PlanResponse, error) {
	return &loaderv1.PlanResponse{Recipe: &loaderv1.Recipe{Layers: []*loaderv1.Layer{
		{Role: "model", SizeBytes: 10, Parts: []*loaderv1.Part{{File: "/etc/shadow", LengthBytes: 10}}},
	}}}, nil
}

func reading(path string, offset, length int64) *loaderv1.InspectResponse {
	return &loaderv1.InspectResponse{Part: &loaderv1.InspectResponse_Read_{Read: &loaderv1.InspectResponse_Read{Path: path, OffsetBytes: offset, LengthBytes: length}}}
}

func saying(i *loaderv1.Info) *loaderv1.InspectResponse {
	return &loaderv1.InspectResponse{Part: &loaderv1.InspectResponse_Info{Info: i}}
}

func TestWhatAPluginReturnsIsChecked(t *testing.T) {
	for name, c := range map[string]struct {
		send []*loaderv1.InspectResponse
		side fault.Side
	}{
		"nothing":                   {nil, fault.Plugin},
		"an empty info":             {[]*loaderv1.InspectResponse{saying(&loaderv1.Info{})}, fault.Plugin},
		"a file of somebody else's": {[]*loaderv1.InspectResponse{saying(toInfo(filled[loader.Info](t)))}, fault.Plugin},
		"too much at a time":        {[]*loaderv1.InspectResponse{reading("a", 0, 1<<40)}, fault.Plugin},
		"less than nothing":         {[]*loaderv1.InspectResponse{reading("a", 0, -1)}, fault.Plugin},
		"another file":              {[]*loaderv1.InspectResponse{reading("/etc/passwd", 0, 1)}, fault.Ours},
	} {
		_, err := overService(t, rogue{send: c.send}).Inspect(t.Context(), loader.Bytes(content))
		if err == nil || fault.SideOf(err) != c.side {
			t.Errorf("%s: %v on the side of %v", name, err, fault.SideOf(err))
		}
	}
	// What a later version says beside what is known is passed over.
	unknown := &loaderv1.InspectResponse{}
	info, err := overService(t, rogue{send: []*loaderv1.InspectResponse{unknown, saying(toInfo(described()))}}).Inspect(t.Context(), loader.Bytes(content))
	if diff := cmp.Diff(described(), info); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := overService(t, rogue{}).Plan(t.Context(), loader.Request{Info: described()}); fault.SideOf(err) != fault.Plugin {
		t.Errorf("a recipe of somebody else's files: %v", err)
	}
}

func TestCancellingEndsAnInspection(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	l := over(t, fake{inspect: func(ctx context.Context, _ loader.Files) (loader.Info, error) {
		cancel()
		<-ctx.Done()
		ended <- ctx.Err()
		return loader.Info{}, ctx.Err()
	}})
	if _, err := l.Inspect(ctx, loader.Bytes(content)); fault.KindOf(err) != fault.Canceled {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("the loader's context has not ended")
	}
}
