package fetch

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

const patience = 30 * time.Second

func junk(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return b
}

// quick is timing for tests.
func quick() Timing {
	return Timing{Stall: 300 * time.Millisecond, Answer: 300 * time.Millisecond, Patience: time.Second, Pause: time.Millisecond, MaxPause: 10 * time.Millisecond}
}

func client(t *testing.T, o Options) *Client {
	t.Helper()
	if o.Timing == (Timing{}) {
		o.Timing = quick()
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// server serves a file, after fault has had its turn, which reports whether it did all.
func server(t *testing.T, file []byte, fault func(n int64, w http.ResponseWriter, r *http.Request) bool) *httptest.Server {
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fault != nil && fault(n.Add(1), w, r) {
			return
		}
		w.Header().Set("Etag", `"e"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file))
	}))
	t.Cleanup(s.Close)
	return s
}

func fileOf(t *testing.T, c *Client, size int, urls ...string) *File {
	t.Helper()
	f, err := c.File("model.gguf", work.Source{SizeBytes: int64(size), URLs: urls})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func read(t *testing.T, f *File, offset, length int64) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := f.Open(ctx, offset, length)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func mustRead(t *testing.T, f *File, want []byte, offset int) {
	t.Helper()
	got, err := read(t, f, int64(offset), int64(len(want)))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes came that aren't those of the file", len(got))
	}
}

// cutAfter sends so much of the range and breaks off.
func cutAfter(file []byte, n int) func(w http.ResponseWriter, r *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		var begin, end int
		_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &begin, &end)
		w.Header().Set("Etag", `"e"`)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", begin, end, len(file)))
		w.Header().Set("Content-Length", fmt.Sprint(end-begin+1))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(file[begin:min(begin+n, end+1)])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

func TestARangeIsRead(t *testing.T) {
	file := junk(1 << 20)
	f := fileOf(t, client(t, Options{}), len(file), server(t, file, nil).URL)
	mustRead(t, f, file, 0)
	mustRead(t, f, file[1000:5000], 1000)
	mustRead(t, f, file[len(file)-1:], len(file)-1)
	mustRead(t, f, nil, 7)
	for _, r := range [][2]int64{{-1, 5}, {0, -1}, {0, 1<<20 + 1}, {1 << 20, 1}, {1 << 62, 1 << 62}} {
		if _, err := f.Open(t.Context(), r[0], r[1]); fault.KindOf(err) != fault.Invalid {
			t.Errorf("the range %v: %v", r, err)
		}
	}
}

func TestABrokenConnectionIsTakenUpWhereItWas(t *testing.T) {
	file := junk(1 << 20)
	var sent atomic.Int64
	s := server(t, file, func(n int64, w http.ResponseWriter, r *http.Request) bool {
		if n%3 == 0 {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return true
		}
		sent.Add(100_000)
		cutAfter(file, 100_000)(w, r)
		return true
	})
	f := fileOf(t, client(t, Options{}), len(file), s.URL)
	mustRead(t, f, file, 0)
	if n := sent.Load(); n > int64(len(file))+100_000 {
		t.Errorf("%d bytes were sent of a file of %d", n, len(file))
	}
}

func TestASourceThatStandsStill(t *testing.T) {
	file := junk(100_000)
	s := server(t, file, func(n int64, w http.ResponseWriter, r *http.Request) bool {
		if n > 1 {
			return false
		}
		w.Header().Set("Etag", `"e"`)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(file)-1, len(file)))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(file[:50])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	})
	mustRead(t, fileOf(t, client(t, Options{}), len(file), s.URL), file, 0)
}

// A reader that takes its time must not have its source taken for a dead one.
func TestAReaderThatStandsStill(t *testing.T) {
	file := junk(8 << 20)
	var asked atomic.Int64
	s := server(t, file, func(int64, http.ResponseWriter, *http.Request) bool { asked.Add(1); return false })
	c := client(t, Options{})
	r, err := fileOf(t, c, len(file), s.URL).Open(t.Context(), 0, int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * c.timing.Stall)
	if rest, err := io.ReadAll(r); err != nil || !bytes.Equal(rest, file[100:]) || asked.Load() != 1 {
		t.Errorf("%d bytes, %v, %d requests", len(rest), err, asked.Load())
	}
}

func TestTheNextSourceIsTried(t *testing.T) {
	file := junk(100_000)
	gone := server(t, file, func(_ int64, w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "", http.StatusForbidden)
		return true
	})
	other := server(t, junk(5), nil)
	closed := server(t, nil, nil)
	closed.Close()
	good := server(t, file, nil)
	f := fileOf(t, client(t, Options{}), len(file), gone.URL, closed.URL, other.URL, good.URL)
	mustRead(t, f, file, 0)
}

func TestFailures(t *testing.T) {
	file := junk(1000)
	status := func(code int) func(int64, http.ResponseWriter, *http.Request) bool {
		return func(_ int64, w http.ResponseWriter, _ *http.Request) bool { http.Error(w, "secret", code); return true }
	}
	for _, test := range []struct {
		name  string
		fault func(n int64, w http.ResponseWriter, r *http.Request) bool
		kind  fault.Kind
		side  fault.Side
	}{
		{"gone", status(404), fault.NotFound, fault.Service},
		{"expired", status(403), fault.Forbidden, fault.Service},
		{"broken", status(500), fault.Unavailable, fault.Service},
		{"shorter", func(_ int64, w http.ResponseWriter, r *http.Request) bool {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file[:900]))
			return true
		}, fault.Corrupt, fault.Service},
		{"no longer there", func(_ int64, w http.ResponseWriter, r *http.Request) bool {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file[:50]))
			return true
		}, fault.Corrupt, fault.Service},
		{"no ranges", func(_ int64, w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write(file); return true }, fault.NotImplemented, fault.Service},
		{"another range", func(_ int64, w http.ResponseWriter, r *http.Request) bool {
			r.Header.Set("Range", "bytes=5-20")
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file))
			return true
		}, fault.Corrupt, fault.Service},
		{"changed", func(n int64, w http.ResponseWriter, r *http.Request) bool {
			if n == 1 {
				cutAfter(file, 10)(w, r)
			}
			w.Header().Set("Etag", `"other"`)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file))
			return true
		}, fault.Corrupt, fault.Service},
		{"always cut", func(_ int64, w http.ResponseWriter, r *http.Request) bool { cutAfter(file, 0)(w, r); return true }, fault.Unavailable, fault.Host},
		{"silent", func(_ int64, _ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true }, fault.Unavailable, fault.Host},
		{"round and round", func(_ int64, w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
			return true
		}, fault.Unavailable, fault.Host},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := server(t, file, test.fault)
			_, err := read(t, fileOf(t, client(t, Options{}), len(file), s.URL+"/x?ticket=hidden"), 100, 100)
			if fault.KindOf(err) != test.kind || fault.SideOf(err) != test.side {
				t.Errorf("%v, which is %v of %v", err, fault.KindOf(err), fault.SideOf(err))
			}
			if strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "secret") {
				t.Errorf("it tells what it shouldn't: %v", err)
			}
		})
	}
}

func TestAWholeFileIsARangeAsWell(t *testing.T) {
	file := junk(1000)
	s := server(t, file, func(_ int64, w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write(file); return true })
	mustRead(t, fileOf(t, client(t, Options{}), len(file), s.URL), file, 0)
}

func TestCancelling(t *testing.T) {
	s := server(t, nil, func(_ int64, _ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true })
	ctx, cancel := context.WithCancel(t.Context())
	r, err := fileOf(t, client(t, Options{Timing: Timing{}}), 1000, s.URL).Open(ctx, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	r.Close()
	if _, err := r.Read(make([]byte, 1)); err == nil {
		t.Error("a closed reader reads")
	}
}

func TestAFileOfTheHost(t *testing.T) {
	file := junk(1000)
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	c := client(t, Options{})
	f, err := c.File("f", work.Source{SizeBytes: 1000, Path: path})
	if err != nil {
		t.Fatal(err)
	}
	mustRead(t, f, file[10:500], 10)
	if f.Path() != path {
		t.Errorf("it is at %q", f.Path())
	}
	// One of another size is another file.
	s := server(t, junk(2000), nil)
	f, err = c.File("f", work.Source{SizeBytes: 2000, Path: path, URLs: []string{s.URL}})
	if err != nil || f.Path() != "" {
		t.Errorf("%v, at %q", err, f.Path())
	}
	for _, wrong := range []work.Source{{SizeBytes: 1}, {SizeBytes: 1, Path: "/nowhere"}, {SizeBytes: 1, URLs: []string{"file:///etc/passwd"}}, {SizeBytes: 1, URLs: []string{"http://a b/"}}} {
		if _, err := c.File("f", wrong); err == nil {
			t.Errorf("%+v is a source", wrong)
		}
	}
}

// tlsServer has a certificate that no public authority knows, and a file with it.
func tlsServer(t *testing.T, file []byte) (s *httptest.Server, authority []byte, path string) {
	s = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("ticket") != "t" || r.URL.Path != "/base/agent/v1/blobs/x" {
			http.Error(w, "", http.StatusForbidden)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file))
	}))
	s.Config.ErrorLog = nil
	t.Cleanup(s.Close)
	authority = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	path = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, authority, 0o600); err != nil {
		t.Fatal(err)
	}
	return s, authority, path
}

func TestAPathOfTheControlPlanes(t *testing.T) {
	file := junk(1000)
	s, _, authorities := tlsServer(t, file)
	at, err := url.Parse(s.URL + "/base")
	if err != nil {
		t.Fatal(err)
	}
	at.Scheme = "wss" // as an agent's link may have it
	dead := &url.URL{Scheme: "https", Host: "127.0.0.1:1"}
	mustRead(t, fileOf(t, client(t, Options{Servers: []*url.URL{dead, at}, AuthoritiesFile: authorities}), len(file), "/agent/v1/blobs/x?ticket=t"), file, 0)

	_, err = read(t, fileOf(t, client(t, Options{Servers: []*url.URL{at}}), len(file), "/agent/v1/blobs/x?ticket=t"), 0, 1000)
	if unknown := new(tls.CertificateVerificationError); !errors.As(err, &unknown) {
		t.Errorf("a server that nobody vouches for: %v", err)
	}

	plain := &url.URL{Scheme: "http", Host: "192.0.2.1:80"}
	if _, err := client(t, Options{Servers: []*url.URL{plain}}).File("f", work.Source{SizeBytes: 1, URLs: []string{"/x"}}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a control plane without TLS: %v", err)
	}
	if _, err := client(t, Options{Servers: []*url.URL{plain}, Insecure: true}).File("f", work.Source{SizeBytes: 1, URLs: []string{"/x"}}); err != nil {
		t.Errorf("a control plane without TLS where that is wanted: %v", err)
	}
}

func TestAProxyIsUsed(t *testing.T) {
	file := junk(1000)
	var through atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		through.Add(1)
		if r.URL.Host != "files.example" {
			t.Errorf("it is asked for %s", r.URL.Host)
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file))
	}))
	t.Cleanup(proxy.Close)
	c := client(t, Options{})
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, transport := range c.closers { // the environment is read once in a process
		transport.Proxy = http.ProxyURL(at)
	}
	mustRead(t, fileOf(t, c, len(file), "http://files.example/x"), file, 0)
	if through.Load() == 0 {
		t.Error("nothing went through the proxy")
	}
}

// Sixteen readers at once keep to one limit.
func TestTheLimitHoldsForAllTogether(t *testing.T) {
	file := junk(2 << 20)
	s := server(t, file, nil)
	f := fileOf(t, client(t, Options{MaxBytesPerSecond: 2 << 20}), len(file), s.URL)
	began := time.Now()
	done := make(chan error, 16)
	for i := range 16 {
		go func() {
			r, err := f.Open(t.Context(), int64(i)*(128<<10), 128<<10)
			if err == nil {
				_, err = io.Copy(io.Discard, r)
				r.Close()
			}
			done <- err
		}()
	}
	for range 16 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	// A tenth of a second's worth may come at once.
	if took := time.Since(began); took < 800*time.Millisecond {
		t.Errorf("2 MiB at 2 MiB/s took %v", took)
	}
}

// What comes by way of other files is held to the limit once, by them.
func TestAFileOfOthersIsCountedOnce(t *testing.T) {
	file := junk(80_000)
	s := server(t, file, nil)
	c := client(t, Options{MaxBytesPerSecond: 1})
	c.limit = rate.NewLimiter(rate.Every(time.Hour), 100_000) // twice as many bytes would take a day
	f, err := c.Assembled("whole", work.Source{SizeBytes: int64(len(file))}, fileOf(t, c, len(file), s.URL))
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.Open(t.Context(), 10, int64(len(file))-10)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, file[10:]) {
		t.Errorf("%d bytes came, %v", len(got), err)
	}
}

func TestPausesGrowAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		tries := 0
		for _, transport := range c.closers {
			transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
				tries++
				return nil, errors.New("refused")
			}
		}
		f := fileOf(t, c, 1000, "http://files.example/x")
		began := time.Now()
		r, err := f.Open(t.Context(), 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(r)
		took := time.Since(began)
		if fault.KindOf(err) != fault.Unavailable || took < c.timing.Patience || took > c.timing.Patience+c.timing.MaxPause || tries < 10 || tries > 40 {
			t.Errorf("after %v and %d tries: %v", took, tries, err)
		}
		c.Close()
	})
}
