package fetch

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// otherHost is one that has a file, or is getting it. What it sends is what its own
// source sent, so nothing of it is certain before the sha256 of all of it.
type otherHost struct {
	website

	sent atomic.Bool // some bytes
}

// peer returns the source that a host is, of a file of so many bytes; nil where this host
// has nothing to prove itself with.
func (c *Client) peer(file string, sizeBytes int64, at work.Peer) (*otherHost, error) {
	if c.pass == nil {
		return nil, nil
	}
	u, err := url.Parse(at.URL)
	if err != nil || u.Scheme != "https" || len(at.PublicKey) != ed25519.PublicKeySize {
		return nil, errBadAddress
	}
	return &otherHost{website: website{http: c.toPeer(at.PublicKey), url: u, file: file, size: sizeBytes}}, nil
}

// toPeer returns what reaches the host with a key, and no other.
func (c *Client) toPeer(key ed25519.PublicKey) *http.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.peers[string(key)]; known != nil {
		return known
	}
	transport := c.transport(&tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*c.pass},
		InsecureSkipVerify: true, // VerifyConnection does it, by the key
		VerifyConnection: func(state tls.ConnectionState) error {
			if theirs, ok := state.PeerCertificates[0].PublicKey.(ed25519.PublicKey); !ok || !theirs.Equal(key) {
				return errors.New("it is another host there")
			}
			return nil
		},
	})
	transport.Proxy = nil // hosts are beside each other
	transport.DialContext = dialer(c.timing.PeerStall)
	transport.ResponseHeaderTimeout = c.timing.PeerStall
	made := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	c.peers[string(key)] = made
	return made
}

// stall implements source: another source is taken sooner than where there is no other.
func (p *otherHost) stall(t *Timing) time.Duration { return t.PeerStall }

func (p *otherHost) open(ctx context.Context, at, end int64) (io.ReadCloser, error) {
	body, err := p.website.open(ctx, at, end)
	if err != nil {
		return nil, err
	}
	return &noted{body, &p.sent}, nil
}

// noted notes that bytes came.
type noted struct {
	io.ReadCloser
	some *atomic.Bool
}

// Read implements [io.Reader].
func (n *noted) Read(p []byte) (int, error) {
	got, err := n.ReadCloser.Read(p)
	if got > 0 {
		n.some.Store(true)
	}
	return got, err
}

// Distrust has the file come from no other host any more, and reports whether something of
// it did.
func (f *File) Distrust() (did bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var left []source
	for _, s := range f.sources {
		if _, ok := s.(*otherHost); !ok {
			left = append(left, s)
		}
	}
	for _, p := range f.peers {
		did = did || p.sent.Load()
	}
	if f.sources, f.peers = left, nil; len(left) == 0 && f.last == nil {
		f.last = fault.New(fault.NotFound, "nothing but other hosts has %q", f.name)
	}
	return did
}
