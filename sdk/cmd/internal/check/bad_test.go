package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/rpc/pluginrpc"
	"github.com/corral-fleet/corral/sdk/internal/rpc/storagerpc"
	"github.com/corral-fleet/corral/sdk/internal/seam"
	"github.com/corral-fleet/corral/sdk/plugin"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/memory"
)

type settings struct {
	MaxBytes int64         `yaml:"max_bytes" help:"the largest object"`
	Password config.Secret `yaml:"password" help:"what the service asks for"`
}

// pluginAs is a plugin in memory, and how it is bad.
func pluginAs(which string) int {
	if strings.HasPrefix(which, "loader") {
		return loaderAs(which)
	}
	about := plugin.About{Name: "memory", Version: "0.1.0"}
	switch which {
	case "says other things":
		about.Summary = "Is something else to its host."
	case "has no name":
		about.Name = ""
	case "says nothing by hand":
		if os.Getenv(seam.CookieKey) == "" {
			return 0
		}
	case "takes any configuration", "loses secrets", "closes only once", "closes all", "goes on when it is closed", "takes any key", "takes any prefix":
		return withoutSDK(which)
	}
	var opened atomic.Int64
	status := plugin.Main(about, plugin.Storage(func(_ context.Context, s settings) (storage.Backend, error) {
		switch which {
		case "logs secrets":
			fmt.Fprintln(os.Stderr, "the password is", s.Password.Reveal())
		case "errors with secrets":
			if s.Password.Reveal() != "the right one" {
				return nil, fault.New(fault.Unauthenticated, "%q is not the password", s.Password.Reveal())
			}
		case "does not open":
			select {}
		case "prints":
			fmt.Println("a storage is opened")
		case "opens a few":
			if opened.Add(1) > 10 {
				return nil, errors.New("there are too many")
			}
		case "passes secrets on":
			if err := exec.Command("/bin/sh", "-c", "sleep 600; :", "helper", s.Password.Reveal()).Start(); err != nil {
				return nil, err
			}
		case "listens":
			if _, err := net.Listen("tcp", "127.0.0.1:0"); err != nil {
				return nil, err
			}
		case "ends by signals":
			signals := make(chan os.Signal, 1)
			signal.Notify(signals, syscall.SIGTERM)
			go func() {
				<-signals
				os.Exit(0)
			}()
		case "ends when it is frozen":
			go func() {
				for last := time.Now(); time.Since(last) < 300*time.Millisecond; time.Sleep(10 * time.Millisecond) {
					last = time.Now()
				}
				os.Exit(0)
			}()
		}
		if strings.HasPrefix(which, "only reads") {
			return newPublished(which)
		}
		return newBad(which), nil
	}))
	if which == "does not end" {
		time.Sleep(time.Hour)
	}
	return status
}

// bad is a backend that is bad in one way.
type bad struct {
	*memory.Backend
	which     string
	calls     atomic.Int64 // under way
	uploading sync.WaitGroup
	mu        sync.Mutex
	leaked    []*os.File
}

// newBad returns a backend, which may have something from another process.
func newBad(which string) *bad {
	b := &bad{Backend: memory.New(1 << 30), which: which}
	old := map[string]string{}
	switch which {
	case "forgets some":
		old["st/kept-0"] = strings.Repeat("a", 100_000)
	case "has tokens of its own":
		for i := range 6 {
			old[fmt.Sprintf("st/page-%d", i)] = ""
		}
	case "keeps halves":
		old["st/new"] = "half of it"
	}
	for key, content := range old {
		if err := b.Backend.Put(context.Background(), key, storage.Bytes([]byte(content))); err != nil {
			panic(err)
		}
	}
	return b
}

// Capabilities implements [storage.Limited].
func (b *bad) Capabilities() storage.Capabilities {
	switch b.which {
	case "sweeps nothing":
		return storage.CanSweep
	case "has tokens of its own":
		return storage.CanPage
	}
	return storage.CanCreate
}

func (b *bad) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	if b.which == "answers nothing" {
		select {}
	}
	return b.Backend.List(ctx, prefix)
}

func (b *bad) Stat(ctx context.Context, key string) (storage.Info, error) {
	if strings.HasPrefix(b.which, "answers ") {
		select {}
	}
	if b.calls.Add(1) > 32 && b.which == "serves a few" {
		b.calls.Add(-1)
		return storage.Info{}, errors.New("there are too many")
	}
	defer b.calls.Add(-1)
	if b.which == "serves a few" {
		time.Sleep(5 * time.Millisecond) // as long as a real one takes
	}
	info, err := b.Backend.Stat(ctx, key)
	if b.which == "wrong sizes" {
		info.SizeBytes++
	}
	return info, err
}

func (b *bad) Get(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
	switch b.which {
	case "leaks":
		b.leak()
	case "leaks what is given up":
		context.AfterFunc(ctx, b.leak)
	}
	return b.Backend.Get(ctx, key, r)
}

func (b *bad) leak() {
	f, err := os.Open(os.DevNull)
	if err != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leaked = append(b.leaked, f)
}

func (b *bad) Put(ctx context.Context, key string, src storage.Source) error {
	b.uploading.Add(1)
	defer b.uploading.Done()
	if b.which == "gives up what is slow" {
		src = impatient{src}
	}
	err := b.Backend.Put(ctx, key, src)
	if b.which == "waits for uploads" && ctx.Err() != nil {
		select {} // as one does that does not heed its context
	}
	return err
}

func (b *bad) Create(ctx context.Context, key string, src storage.Source) error {
	if b.which == "creates over others" {
		return b.Put(ctx, key, src)
	}
	return b.Backend.Create(ctx, key, src)
}

// Sweep implements [storage.Sweeper].
func (b *bad) Sweep(context.Context, time.Duration) (int, error) { return 1, nil }

// Page implements [storage.Pager], with tokens that one process knows.
func (b *bad) Page(ctx context.Context, r storage.PageRequest) (storage.Page, error) {
	mine := fmt.Sprint(os.Getpid(), ":")
	token, known := strings.CutPrefix(r.Token, mine)
	if !known && r.Token != "" {
		return storage.Page{}, fault.New(fault.Invalid, "no page has told the token").On(fault.Caller)
	}
	r.Token = token
	page, err := storage.ListPage(ctx, b.Backend, r)
	if page.NextToken != "" {
		page.NextToken = mine + page.NextToken
	}
	return page, err
}

// Close implements io.Closer.
func (b *bad) Close() error {
	if b.which == "waits for uploads" {
		b.uploading.Wait()
	}
	return nil
}

// impatient is a source that fails where it is slow.
type impatient struct{ storage.Source }

func (i impatient) Open() (io.ReadCloser, error) {
	in, err := i.Source.Open()
	return &impatientReader{in, time.Now()}, err
}

type impatientReader struct {
	io.ReadCloser

	last time.Time // something was read, or nothing yet
}

func (i *impatientReader) Read(p []byte) (int, error) {
	n, err := i.ReadCloser.Read(p)
	if time.Since(i.last) > frozenFor/2 { // it may have been frozen in a read, or after one
		return 0, errors.New("the upload is too slow")
	}
	i.last = time.Now()
	return n, err
}

// loose is a plugin that takes any configuration.
type loose struct{ which string }

func (loose) Describe() ([]byte, error) {
	return []byte(`{"kind":"storage","name":"loose","version":"1","protocols":[1],"config_schema":{"type":"object","additionalProperties":false,"properties":{"max_bytes":{"type":"integer"}}},"secrets":["password"]}`), nil
}

func (l loose) Migrate(c pluginrpc.Configuration) (pluginrpc.Configuration, error) {
	if l.which == "loses secrets" {
		c.Secrets = nil
	}
	return c, nil
}

func (l loose) Configure(pluginrpc.Configuration) (pluginrpc.Opening, []config.Fault) {
	return func(context.Context) (pluginrpc.Opened, error) {
		return pluginrpc.Opened{Instance: newBad(l.which), Check: func(context.Context) error { return nil }}, nil
	}, nil
}

// withoutSDK is a plugin that does by itself what the SDK does for others.
func withoutSDK(which string) int {
	s := pluginrpc.NewServer(loose{which}, "")
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: seam.Handshake(),
		VersionedPlugins: seam.Plugins(seam.Seam{Register: func(to grpc.ServiceRegistrar) {
			s.Register(to)
			storagerpc.NewServer(func(instance string) (storage.Backend, error) {
				found, err := s.Find(instance)
				if err != nil {
					return nil, err
				}
				return found.(storage.Backend), nil
			}, nil).Register(to)
		}}),
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(options, grpc.UnaryInterceptor(badUnary(which, s)), grpc.StreamInterceptor(badStream(which)))...)
		},
	})
	return 0
}

func badUnary(which string, s *pluginrpc.Server) grpc.UnaryServerInterceptor {
	var closes atomic.Int64
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		answer, err := handle(ctx, request)
		closed := strings.HasSuffix(info.FullMethod, "/Close")
		switch {
		case which == "closes all" && closed:
			return answer, s.CloseAll()
		case which == "closes only once" && closed && closes.Add(1) > 1:
			return nil, status.Error(codes.NotFound, "there is no such instance")
		case which == "takes any key" && status.Code(err) == codes.InvalidArgument:
			return answer, nil
		}
		return answer, err
	}
}

func badStream(which string) grpc.StreamServerInterceptor {
	return func(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		err := handle(server, stream)
		if which == "takes any prefix" && status.Code(err) == codes.InvalidArgument {
			return nil
		}
		return err
	}
}
