// Package faultproxy stands in front of a real server in tests, and has it fail as real
// services do now and then and this one can't be made to.
package faultproxy

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"testing"
)

// Fault is what becomes of a request, instead of what the server would do.
type Fault func(w http.ResponseWriter, r *http.Request, pass http.Handler)

// Proxy passes requests on to a server.
type Proxy struct {
	URL string

	mu     sync.Mutex
	choose func(r *http.Request) Fault
	seen   []string
}

// New returns a proxy in front of the server at an address, until the end of the test.
func New(t testing.TB, server string) *Proxy {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{choose: func(*http.Request) Fault { return nil }}
	pass := &httputil.ReverseProxy{
		// The host that the client has named stays, since that is what it signed.
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = to.Scheme, to.Host, r.In.Host
		},
		// What a test cuts off is no news.
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.seen = append(p.seen, r.Method+" "+r.URL.RequestURI())
		fault := p.choose(r)
		p.mu.Unlock()
		if fault == nil {
			pass.ServeHTTP(w, r)
			return
		}
		fault(w, r, pass)
	}))
	t.Cleanup(s.Close)
	p.URL = s.URL
	return p
}

// On has each request for which choose returns one become a fault, until it is called
// again. It forgets which requests there were.
func (p *Proxy) On(choose func(r *http.Request) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.choose, p.seen = choose, nil
}

// Requests returns the method and address of each request since On.
func (p *Proxy) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.seen...)
}

// First returns a choice of the first n requests that match.
func First(n int, match func(*http.Request) bool, f Fault) func(*http.Request) Fault {
	return func(r *http.Request) Fault {
		if n == 0 || !match(r) {
			return nil
		}
		n--
		return f
	}
}

// Always returns a choice of all requests that match.
func Always(match func(*http.Request) bool, f Fault) func(*http.Request) Fault {
	return First(-1, match, f)
}

// Method matches requests of a method.
func Method(method string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == method }
}

// Refuse answers with a status, and with how many seconds to wait where that is not 0.
func Refuse(status, retryAfterSeconds int) Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body) // so that the answer is heard
		if retryAfterSeconds > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(retryAfterSeconds))
		}
		w.WriteHeader(status)
	}
}

// Cut breaks the connection off after so many bytes of the answer's body.
func Cut(after int64) Fault {
	return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		pass.ServeHTTP(&cutting{ResponseWriter: w, left: after}, r)
	}
}

type cutting struct {
	http.ResponseWriter
	left int64
}

func (c *cutting) Write(p []byte) (int, error) {
	if int64(len(p)) >= c.left {
		// What is cut off here may be so already.
		_, _ = c.ResponseWriter.Write(p[:c.left])
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	c.left -= int64(len(p))
	return c.ResponseWriter.Write(p)
}

// Unwrap is for [http.ResponseController].
func (c *cutting) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// Lose has the server do what is asked, and breaks off instead of an answer.
func Lose() Fault {
	return func(_ http.ResponseWriter, r *http.Request, pass http.Handler) {
		pass.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
}

// Alter changes the headers of the answer.
func Alter(how func(http.Header)) Fault {
	return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		pass.ServeHTTP(&altering{ResponseWriter: w, how: how}, r)
	}
}

type altering struct {
	http.ResponseWriter
	how func(http.Header)
}

func (a *altering) WriteHeader(status int) {
	a.how(a.Header())
	a.ResponseWriter.WriteHeader(status)
}
