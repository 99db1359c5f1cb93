// Package served reads files that servers publish by HTTP: in parts where a server gives
// parts, all of one version, on where an answer breaks off, and held against a digest
// where there is one.
package served

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/corral-fleet/corral/plugins/internal/outbound"
	"github.com/corral-fleet/corral/plugins/internal/transfer"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Settings are how files are read.
type Settings struct {
	PartSize  config.Size `yaml:"part_size" help:"in parts of which size large files are fetched"`
	Transfers int         `yaml:"transfers" help:"how many parts of one file are fetched at once, each of which is in memory"`

	outbound.Settings `yaml:",inline"`
}

// Bounds of our memory.
const (
	leastPart    = 64 << 10
	mostPart     = 512 << 20
	mostTransfer = 64
)

// SetDefaults sets what holds where nothing is said.
func (s *Settings) SetDefaults() { s.PartSize, s.Transfers = 8<<20, 4 }

// Validate implements [config.Validator].
func (s *Settings) Validate(report config.Report) {
	if s.PartSize < leastPart || s.PartSize > mostPart {
		report("part_size", "has to be from %v to %v", config.Size(leastPart), config.Size(mostPart))
	}
	if s.Transfers < 1 || s.Transfers > mostTransfer {
		report("transfers", "has to be from 1 to %d", mostTransfer)
	}
}

// Client asks servers. Its methods may be called concurrently.
type Client struct {
	http      *http.Client
	transport *http.Transport
	cut       transfer.Cut
	explain   Explain
}

// Explain returns the error that an answer is which is none of success, nil where there
// is nothing to say that its status does not. what is what the plugin was about to do,
// such as "read the file x". The body may be read.
type Explain func(answer *http.Response, what string) *fault.Error

// New returns a client. authorize wraps what requests are sent by, hop by hop, so that
// it sees whom each of them is for; nil leaves it as it is.
func (s *Settings) New(authorize func(http.RoundTripper) http.RoundTripper, explain Explain) (*Client, error) {
	transport, err := s.Transport()
	if err != nil {
		return nil, err
	}
	var by http.RoundTripper = transport
	if authorize != nil {
		by = authorize(transport)
	}
	return &Client{
		http: &http.Client{Transport: by, CheckRedirect: follow}, transport: transport,
		cut: transfer.Cut{PartBytes: int64(s.PartSize), AtOnce: s.Transfers}, explain: explain,
	}, nil
}

// Close lets go of the connections.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// maxRedirects is how often a server may send on.
const maxRedirects = 10

// follow follows to servers by HTTP, and never from TLS to none.
func follow(to *http.Request, via []*http.Request) error {
	from := via[len(via)-1].URL.Scheme
	switch {
	case to.URL.Scheme != from && to.URL.Scheme != "https":
		return fault.New(fault.Forbidden, "the server sends on from %s to %s, which is not followed", from, to.URL.Scheme).On(fault.Service)
	case len(via) >= maxRedirects:
		return fault.New(fault.Unavailable, "the server sends on again and again").On(fault.Service)
	}
	to.Header.Del("Referer") // an address may have a secret in it
	return nil
}

// Origin adds header fields to the requests to one server, and to no others, such as
// those that it sends on to.
type Origin struct {
	URL    *url.URL // of which scheme and host count
	Header http.Header
	By     http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (o Origin) RoundTrip(r *http.Request) (*http.Response, error) {
	if SameOrigin(r.URL, o.URL) && len(o.Header) > 0 {
		r = r.Clone(r.Context())
		maps.Copy(r.Header, o.Header)
	}
	return o.By.RoundTrip(r)
}

// SameOrigin reports whether two addresses are of one server.
func SameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host)
}

// How often a request is sent at most, and how long is waited between two: the first time,
// and at most. A server that wants to be left alone for longer is not asked again.
const (
	maxAttempts  = 4
	firstBackoff = 200 * time.Millisecond
	maxBackoff   = 2 * time.Second
)

// Request is what is asked for.
type Request struct {
	Method string // "" is GET
	URL    string
	Header http.Header
	What   string // the plugin is about to do, such as "read the file x"
	// Stay has where the server sends on to as the answer.
	Stay bool
}

// Do sends a request, again where it fails by what may pass. Its answer is one of success,
// or, of a request that stays, one that sends on; the caller closes its body.
func (c *Client) Do(ctx context.Context, r Request) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		answer, err := c.once(ctx, r)
		if err == nil || attempt == maxAttempts || !worthTrying(err) || fault.RetryAfterOf(err) > maxBackoff {
			return answer, err
		}
		select {
		case <-time.After(max(fault.RetryAfterOf(err), min(firstBackoff<<(attempt-1), maxBackoff))):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func worthTrying(err error) bool {
	kind := fault.KindOf(err)
	return kind == fault.Unavailable || kind == fault.RateLimited
}

func (c *Client) once(ctx context.Context, r Request) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, r.Method, r.URL, http.NoBody)
	if err != nil {
		return nil, fault.New(fault.Invalid, "there is no address to %s at", r.What).On(fault.Caller)
	}
	maps.Copy(request.Header, r.Header)
	request.Header.Set("Accept-Encoding", "identity")
	request.Header.Set("User-Agent", "corral")
	by := c.http
	if r.Stay {
		staying := *c.http
		staying.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		by = &staying
	}
	answer, err := by.Do(request)
	if err != nil {
		return nil, withoutAnswer(ctx, err, r.What)
	}
	if from, to := request.URL.Path, answer.Request.URL.Path; !strings.HasSuffix(from, "/") && strings.HasSuffix(to, "/") {
		answer.Body.Close() // it is of a folder
		return nil, fault.New(fault.NotFound, "there is a folder where the plugin is to %s", r.What).On(fault.Service)
	}
	if answer.StatusCode < http.StatusMultipleChoices || r.Stay && answer.StatusCode < http.StatusBadRequest {
		return answer, nil
	}
	defer answer.Body.Close() // it is no answer
	return nil, c.refused(answer, r.What)
}

// Bytes returns all of an answer, of so many bytes at most, and its header.
func (c *Client) Bytes(ctx context.Context, r Request, most int64) ([]byte, http.Header, error) {
	answer, err := c.Do(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, most+1))
	switch err := errors.Join(err, answer.Body.Close()); {
	case err != nil:
		return nil, nil, withoutAnswer(ctx, err, r.What)
	case int64(len(body)) > most:
		return nil, nil, fault.New(fault.TooLarge, "the server answers with more than %v when the plugin was to %s", config.Size(most), r.What).On(fault.Service)
	}
	return body, answer.Header, nil
}
