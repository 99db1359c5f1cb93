// Package fetch reads files from where a control plane says that they are: by ranges
// over HTTP, from the first of several addresses that serves them, going on where a
// connection broke. Nothing is kept on disk, and an address is never told to anybody:
// whoever has it may read what it leads to.
package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/corral-fleet/corral/agent/internal/trust"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Options are how files are reached.
type Options struct {
	// Servers are the addresses of the control plane; Pinned, in PEM, is its own
	// authority. AuthoritiesFile is trusted for every server; empty is none.
	Servers         []*url.URL
	Pinned          []byte
	AuthoritiesFile string
	Insecure        bool // the control plane may be reached without TLS

	MaxBytesPerSecond int64 // of all files together; 0 is no limit

	// PassCertificate and PassKey, in PEM, prove to other hosts for which host this is
	// read; without them none is asked.
	PassCertificate, PassKey []byte

	Timing Timing
}

// Timing is how long a source is waited for.
type Timing struct {
	Dial   time.Duration // default 10 s
	Answer time.Duration // from the request to the head of the answer; default 15 s
	Stall  time.Duration // between two pieces; default 15 s, half of what Ollama gives a part
	// PeerStall stands for all three where the source is another host; default 10 s.
	PeerStall time.Duration
	Patience  time.Duration // without a byte of the file, over all tries and readers; default 90 s
	Pause     time.Duration // after the first failure, doubled with each; default 200 ms
	MaxPause  time.Duration // default 10 s
}

func (t Timing) withDefaults() Timing {
	orDefault(&t.Dial, 10*time.Second)
	orDefault(&t.Answer, 15*time.Second)
	orDefault(&t.Stall, 15*time.Second)
	orDefault(&t.PeerStall, 10*time.Second)
	orDefault(&t.Patience, 90*time.Second)
	orDefault(&t.Pause, 200*time.Millisecond)
	orDefault(&t.MaxPause, 10*time.Second)
	return t
}

func orDefault(d *time.Duration, def time.Duration) {
	if *d == 0 {
		*d = def
	}
}

const (
	maxIdle      = 16 // kept connections to a server: Ollama reads that many ranges at once
	maxRedirects = 5
	pieceSize    = 64 << 10 // of what is read at once where there is a limit to the rate
)

// Client reaches files. Its methods may be called concurrently.
type Client struct {
	servers  []*url.URL
	insecure bool
	http     *http.Client
	limit    *rate.Limiter // nil is none
	timing   Timing
	pass     *tls.Certificate // nil is none

	mu      sync.Mutex
	closers []*http.Transport
	peers   map[string]*http.Client // by the keys of the hosts
}

// New returns a client. What is wrong with the authorities is an error.
func New(o Options) (*Client, error) {
	c := &Client{servers: o.Servers, insecure: o.Insecure, timing: o.Timing.withDefaults(), peers: map[string]*http.Client{}}
	if len(o.PassCertificate) > 0 {
		pass, err := tls.X509KeyPair(o.PassCertificate, o.PassKey)
		if err != nil {
			return nil, fmt.Errorf("what this host proves itself with: %w", err)
		}
		c.pass = &pass
	}
	if o.MaxBytesPerSecond > 0 {
		burst := max(pieceSize, int(min(o.MaxBytesPerSecond/10, 4<<20)))
		c.limit = rate.NewLimiter(rate.Limit(o.MaxBytesPerSecond), burst)
	}
	roots, err := publicRoots(o.AuthoritiesFile)
	if err != nil {
		return nil, err
	}
	byHost := byHost{others: c.transport(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}), hosts: map[string]http.RoundTripper{}}
	own, err := trust.Pinned(o.Pinned)
	if err != nil {
		return nil, err
	}
	for i, server := range o.Servers {
		named, err := trust.Named(o.AuthoritiesFile, server.Hostname())
		if err != nil {
			return nil, err
		}
		c.servers[i] = httpURL(server)
		byHost.hosts[c.servers[i].Host] = c.transport(trust.Config(server, own, named))
	}
	c.http = &http.Client{Transport: byHost, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return errors.New("too many redirects")
		}
		req.Header.Set("Range", via[0].Header.Get("Range"))
		req.Header.Del("Referer") // an address is a secret
		return nil
	}}
	return c, nil
}

// Close closes the connections that are kept.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.closers {
		t.CloseIdleConnections()
	}
}

// transport returns one that [Client.Close] closes. c.mu is held, or nobody else has c.
func (c *Client) transport(config *tls.Config) *http.Transport {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer(c.timing.Dial),
		TLSClientConfig:       config,
		TLSHandshakeTimeout:   c.timing.Dial,
		ResponseHeaderTimeout: c.timing.Answer,
		MaxIdleConnsPerHost:   maxIdle,
		IdleConnTimeout:       30 * time.Second,
		DisableCompression:    true, // offsets are of the file
	}
	c.closers = append(c.closers, t)
	return t
}

func dialer(timeout time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{Timeout: timeout, KeepAlive: 15 * time.Second}).DialContext
}

// publicRoots returns the system's authorities and those in a file; nil, without a
// file, is the system's.
func publicRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	return roots, trust.Append(roots, file)
}

// byHost verifies the control plane by its own authority and all others publicly,
// also where the one sends on to another.
type byHost struct {
	hosts  map[string]http.RoundTripper
	others http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (b byHost) RoundTrip(req *http.Request) (*http.Response, error) {
	if t := b.hosts[req.URL.Host]; t != nil {
		return t.RoundTrip(req)
	}
	return b.others.RoundTrip(req)
}

// httpURL is the address of a control plane for HTTP: an agent's link may have been
// given one for WebSockets.
func httpURL(server *url.URL) *url.URL {
	u := *server
	switch u.Scheme {
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	}
	return &u
}

// addresses returns the URLs of a source, those of the control plane at each of its
// addresses.
func (c *Client) addresses(urls []string) ([]*url.URL, error) {
	var list []*url.URL
	for _, raw := range urls {
		u, err := url.Parse(raw)
		switch {
		case err != nil:
			return nil, errBadAddress // what is wrong with it would tell it
		case strings.HasPrefix(raw, "/"):
			for _, server := range c.servers {
				if server.Scheme == "http" && !c.insecure && !loopback(server.Hostname()) {
					return nil, fault.New(fault.Invalid, "%s is neither TLS nor on this machine; use https, or --insecure where the network is trusted", server.Host).On(fault.Host)
				}
				at := *server
				at.Path, at.RawPath = strings.TrimSuffix(server.Path, "/")+u.Path, ""
				at.RawQuery = u.RawQuery
				list = append(list, &at)
			}
		case u.Scheme == "http" || u.Scheme == "https":
			list = append(list, u)
		default:
			return nil, errBadAddress
		}
	}
	return list, nil
}

var errBadAddress = fault.New(fault.Invalid, "an address of the model's file is none of HTTP's")

// loopback reports whether a host is this machine whatever any resolver says.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// wait holds n bytes back for as long as the limit wants.
func (c *Client) wait(ctx context.Context, n int) error {
	if c.limit == nil {
		return nil
	}
	if err := c.limit.WaitN(ctx, n); err != nil {
		return fmt.Errorf("wait for the limit: %w", err)
	}
	return nil
}
