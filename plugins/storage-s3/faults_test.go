package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/corral-fleet/corral/plugins/internal/faultproxy"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/servertest"
)

// behind returns a bucket of a server behind a proxy.
func behind(t *testing.T) (*bucket, *faultproxy.Proxy) {
	t.Helper()
	server := servertest.S3(t)
	proxy := faultproxy.New(t, server.Endpoint)
	s := settingsFor(server)
	s.Endpoint = proxy.URL
	return opened(t, s), proxy
}

// content returns so many bytes, the same each time.
func content(size int) []byte {
	b := make([]byte, size)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(b)
	return b
}

func read(t *testing.T, b *bucket, key string) []byte {
	t.Helper()
	got, err := tryRead(t.Context(), b, key)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func tryRead(ctx context.Context, b *bucket, key string) ([]byte, error) {
	in, err := b.Get(ctx, key, storage.Range{})
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(in)
	return got, errors.Join(err, in.Close())
}

// unfinished returns how many uploads there are of which parts are kept.
func unfinished(t *testing.T, b *bucket) int {
	t.Helper()
	out, err := b.client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &b.name, Prefix: &b.prefix})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Uploads)
}

func TestObjectsAsLargeAsPartsAreWhole(t *testing.T) {
	b := opened(t, settingsFor(servertest.S3(t)))
	for _, size := range []int{leastPart - 1, leastPart, leastPart + 1, 3*leastPart - 1, 3 * leastPart, 3*leastPart + 1, 7*leastPart + 12345} {
		want := content(size)
		for how, src := range map[string]storage.Source{
			"at any place": storage.Bytes(want), "once": storage.Once(bytes.NewReader(want), int64(size)), "of unknown size": storage.Once(bytes.NewReader(want), -1),
		} {
			if err := b.Put(t.Context(), "k", src); err != nil {
				t.Fatalf("%d bytes, %s: %v", size, how, err)
			}
			if got := read(t, b, "k"); !bytes.Equal(got, want) {
				t.Errorf("%d bytes, %s: %d other bytes are read", size, how, len(got))
			}
		}
	}
	if n := unfinished(t, b); n != 0 {
		t.Errorf("%d uploads are left", n)
	}
}

func TestPartsOfARangeAreRead(t *testing.T) {
	b := opened(t, settingsFor(servertest.S3(t)))
	const size = 4*leastPart + 321
	whole := content(size)
	if err := b.Put(t.Context(), "k", storage.Bytes(whole)); err != nil {
		t.Fatal(err)
	}
	for _, r := range []storage.Range{
		{OffsetBytes: leastPart},
		{OffsetBytes: leastPart - 1, LengthBytes: 2},
		{OffsetBytes: 17, LengthBytes: 2 * leastPart},
		{LengthBytes: size},
		{OffsetBytes: size - 1},
		{OffsetBytes: 3, LengthBytes: leastPart},
		{OffsetBytes: 3, LengthBytes: leastPart + 1},
		{OffsetBytes: 5, LengthBytes: 1 << 40},
	} {
		in, err := b.Get(t.Context(), "k", r)
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		got, err := io.ReadAll(in)
		offset, length, _ := r.Of(size)
		if err := errors.Join(err, in.Close()); err != nil || !bytes.Equal(got, whole[offset:offset+length]) {
			t.Errorf("%+v: %d bytes, %v", r, len(got), err)
		}
	}
}

func TestWhatBreaksOffIsReadOn(t *testing.T) {
	b, proxy := behind(t)
	want := content(3*leastPart + 100)
	if err := b.Put(t.Context(), "k", storage.Bytes(want)); err != nil {
		t.Fatal(err)
	}
	proxy.On(faultproxy.First(4, faultproxy.Method(http.MethodGet), faultproxy.Cut(100_000)))
	if got := read(t, b, "k"); !bytes.Equal(got, want) {
		t.Errorf("%d other bytes", len(got))
	}
	proxy.On(faultproxy.Always(faultproxy.Method(http.MethodGet), faultproxy.Cut(0)))
	if got, err := tryRead(t.Context(), b, "k"); fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Service {
		t.Errorf("what breaks off each time: %d bytes, %v on %v: %v", len(got), fault.KindOf(err), fault.SideOf(err), err)
	}
}

// What is read on is the same version, or nothing.
func TestAnObjectThatIsReplacedIsNotReadOn(t *testing.T) {
	b, proxy := behind(t)
	if err := b.Put(t.Context(), "k", storage.Bytes(content(leastPart))); err != nil {
		t.Fatal(err)
	}
	proxy.On(faultproxy.First(1, faultproxy.Method(http.MethodGet), faultproxy.Cut(1000)))
	in, err := b.Get(t.Context(), "k", storage.Range{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := b.Put(t.Context(), "k", storage.Bytes(make([]byte, leastPart))); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(in); fault.KindOf(err) != fault.Conflict {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestAServiceThatIsAskedTooOftenSaysWhenToAskAgain(t *testing.T) {
	b, proxy := behind(t)
	for status, want := range map[int]fault.Kind{http.StatusTooManyRequests: fault.RateLimited, http.StatusServiceUnavailable: fault.Unavailable} {
		proxy.On(faultproxy.Always(faultproxy.Method(http.MethodPut), faultproxy.Refuse(status, 17)))
		err := b.Put(t.Context(), "k", storage.Bytes([]byte("x")))
		if fault.KindOf(err) != want || fault.SideOf(err) != fault.Service || fault.RetryAfterOf(err) != 17*time.Second {
			t.Errorf("%d: %v on %v after %v: %v", status, fault.KindOf(err), fault.SideOf(err), fault.RetryAfterOf(err), err)
		}
		if n := len(proxy.Requests()); n != maxAttempts {
			t.Errorf("%d: it was asked %d times", status, n)
		}
	}
	proxy.On(faultproxy.First(2, faultproxy.Method(http.MethodPut), faultproxy.Refuse(http.StatusServiceUnavailable, 0)))
	if err := b.Put(t.Context(), "k", storage.Bytes([]byte("x"))); err != nil {
		t.Errorf("one that recovers: %v", err)
	}
}

// An answer that is lost does not make a failure of what was stored, nor have what
// others stored taken for it.
func TestALostAnswerIsNoFailure(t *testing.T) {
	b, proxy := behind(t)
	large := content(2*leastPart + 1)
	complete := func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploadId") }
	proxy.On(faultproxy.First(1, complete, faultproxy.Lose()))
	if err := b.Put(t.Context(), "large", storage.Bytes(large)); err != nil {
		t.Errorf("Put: %v", err)
	}
	proxy.On(faultproxy.First(1, faultproxy.Method(http.MethodPut), faultproxy.Lose()))
	if err := b.Create(t.Context(), "small", storage.Bytes([]byte("x"))); err != nil {
		t.Errorf("Create: %v", err)
	}
	proxy.On(faultproxy.First(1, faultproxy.Method(http.MethodPut), faultproxy.Lose()))
	if err := b.Create(t.Context(), "small", storage.Bytes([]byte("y"))); fault.KindOf(err) != fault.Conflict {
		t.Errorf("Create again: %v", err)
	}
	if got := read(t, b, "large"); !bytes.Equal(got, large) {
		t.Errorf("%d other bytes", len(got))
	}
}

// A part that the service has otherwise than it was sent does not become an object.
func TestAWrongPartIsNotStored(t *testing.T) {
	b, proxy := behind(t)
	wrong := faultproxy.Alter(func(h http.Header) { h.Set("ETag", `"00000000000000000000000000000000"`) })
	proxy.On(faultproxy.First(1, func(r *http.Request) bool { return r.URL.Query().Get("partNumber") == "2" }, wrong))
	err := b.Put(t.Context(), "k", storage.Bytes(content(3*leastPart)))
	if fault.KindOf(err) != fault.Corrupt {
		t.Errorf("%v: %v", fault.KindOf(err), err)
	}
	if _, err := b.Stat(t.Context(), "k"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("it is there: %v", err)
	}
	if n := unfinished(t, b); n != 0 {
		t.Errorf("%d uploads are left", n)
	}
}

var errSource = errors.New("the source fails")

// failing fails behind so many bytes.
type failing struct{ content []byte }

func (f failing) SizeBytes() int64 { return -1 }
func (f failing) Open() (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(bytes.NewReader(f.content), &failed{})), nil
}

type failed struct{}

func (*failed) Read([]byte) (int, error) { return 0, errSource }

func TestALargeUploadThatFailsLeavesNothing(t *testing.T) {
	b := opened(t, settingsFor(servertest.S3(t)))
	for _, put := range []func(context.Context, string, storage.Source) error{b.Put, b.Create} {
		if err := put(t.Context(), "k", failing{content(3*leastPart + 5)}); !errors.Is(err, errSource) {
			t.Errorf("%v", err)
		}
	}
	if _, err := b.Stat(t.Context(), "k"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("it is there: %v", err)
	}
	if n := unfinished(t, b); n != 0 {
		t.Errorf("%d uploads are left", n)
	}
}

func TestAFileThatCannotBeReadIsNotTheService(t *testing.T) {
	b := opened(t, settingsFor(servertest.S3(t)))
	if err := b.Put(t.Context(), "k", unreadable{}); !errors.Is(err, errSource) {
		t.Errorf("%v", err)
	}
}

// unreadable can be read at any place, and then fails.
type unreadable struct{}

func (unreadable) SizeBytes() int64             { return 3 * leastPart }
func (unreadable) Open() (io.ReadCloser, error) { return unreadable{}, nil }
func (unreadable) Read([]byte) (int, error)     { return 0, errSource }
func (unreadable) ReadAt(p []byte, at int64) (int, error) {
	if at >= leastPart {
		return 0, errSource
	}
	return len(p), nil
}
func (unreadable) Close() error { return nil }

func TestWhatADeadUploadLeftIsSwept(t *testing.T) {
	b := opened(t, settingsFor(servertest.S3(t)))
	for _, key := range []string{"a", "deep/b"} {
		u := &upload{bucket: b, key: key}
		if err := u.Begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := u.Part(t.Context(), 0, bytes.NewReader(content(leastPart)), leastPart); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := b.Sweep(t.Context(), time.Hour); n != 0 || err != nil {
		t.Errorf("too early: %d, %v", n, err)
	}
	for _, err := range b.List(t.Context(), "") {
		t.Errorf("something is listed, %v", err)
	}
	if n, err := b.Sweep(t.Context(), 0); n != 2 || err != nil {
		t.Errorf("%d were swept, %v", n, err)
	}
	if n := unfinished(t, b); n != 0 {
		t.Errorf("%d uploads are left", n)
	}
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	server := servertest.S3(t)
	for name, c := range map[string]struct {
		change func(*settings)
		kind   fault.Kind
		words  string
	}{
		"another key":    {func(s *settings) { s.AccessKeyID = "somebody" }, fault.Unauthenticated, "access_key_id"},
		"another secret": {func(s *settings) { s.SecretAccessKey = config.NewSecret("something") }, fault.Unauthenticated, "secret_access_key"},
		"no bucket":      {func(s *settings) { s.Bucket = "nowhere" }, fault.Unavailable, "no such bucket"},
		"no service":     {func(s *settings) { s.Endpoint = "http://127.0.0.1:1" }, fault.Unavailable, "out of reach"},
	} {
		t.Run(name, func(t *testing.T) {
			s := settingsFor(server)
			c.change(&s)
			s.ConditionalCreate = off
			b := opened(t, s)
			for what, err := range map[string]error{"Check": b.Check(t.Context()), "Put": b.Put(t.Context(), "k", storage.Bytes(nil))} {
				if fault.KindOf(err) != c.kind || fault.SideOf(err) != fault.Service || !strings.Contains(fault.MessageOf(err), c.words) {
					t.Errorf("%s: %v on %v: %v", what, fault.KindOf(err), fault.SideOf(err), err)
				}
			}
		})
	}
}

func TestAServiceThatComesBackIsWellAgain(t *testing.T) {
	server := servertest.S3(t)
	b := opened(t, settingsFor(server))
	if err := b.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	if err := b.Check(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
	server.Start()
	if err := b.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// A service that pays no heed to the condition, or refuses it, is found out.
func TestConditionsThatDoNotHoldAreNotDeclared(t *testing.T) {
	server := servertest.S3(t)
	for name, f := range map[string]faultproxy.Fault{
		"ignored": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(http.StatusOK) },
		"refused": faultproxy.Refuse(http.StatusNotImplemented, 0),
	} {
		proxy := faultproxy.New(t, server.Endpoint)
		proxy.On(faultproxy.Always(func(r *http.Request) bool { return r.Header.Get("If-None-Match") != "" }, f))
		s := settingsFor(server)
		s.Endpoint = proxy.URL
		b := opened(t, s)
		if can := storage.CapabilitiesOf(b); can&storage.CanCreate != 0 {
			t.Errorf("%s: it can %v", name, can)
		}
	}
}

func TestSmallObjectsAreKnownBySHA256(t *testing.T) {
	b := opened(t, settingsFor(servertest.S3(t)))
	if err := b.Put(t.Context(), "k", storage.Bytes([]byte("abc"))); err != nil {
		t.Fatal(err)
	}
	const sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if err := b.Copy(t.Context(), "copy +%", "k"); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"k", "copy +%"} {
		if info, err := b.Stat(t.Context(), key); info.SHA256 != sum || err != nil {
			t.Errorf("%s: %+v, %v", key, info, err)
		}
	}
}

// What others have in the bucket is not ours where it has no key.
func TestWhatHasNoKeyIsNotListed(t *testing.T) {
	server := servertest.S3(t)
	s := settingsFor(server)
	b := opened(t, s)
	folder := s.Prefix + "folder/" // as consoles make them
	if _, err := b.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &b.name, Key: &folder}); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), "folder/a", storage.Bytes(nil)); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for info, err := range b.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, info.Key)
	}
	if !slices.Equal(keys, []string{"folder/a"}) {
		t.Errorf("%q", keys)
	}
}
