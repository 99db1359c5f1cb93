package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	gcs "cloud.google.com/go/storage"
	"github.com/googleapis/gax-go/v2"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"google.golang.org/api/option"

	"github.com/corral-fleet/corral/plugins/internal/transfer"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// How often a request is sent at most, and how long is waited between two.
const (
	maxAttempts = 4
	firstDelay  = 200 * time.Millisecond
	maxDelay    = 2 * time.Second
)

func open(ctx context.Context, s settings) (storage.Backend, error) {
	transport, err := s.Transport()
	if err != nil {
		return nil, err
	}
	// What gets tokens lasts as long as the backend, and not as long as its opening.
	long := context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, &http.Client{Transport: transport})
	as, signer, err := s.identity(long)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: transport}
	if as != nil {
		client.Transport = &oauth2.Transport{Base: transport, Source: as}
	}
	options := []option.ClientOption{option.WithHTTPClient(client), gcs.WithJSONReads()}
	if s.Endpoint != "" {
		options = append(options, option.WithEndpoint(strings.TrimSuffix(s.Endpoint, "/")+"/storage/v1/"))
	}
	c, err := gcs.NewClient(long, options...)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the service's address can't be used").On(fault.Caller)
	}
	c.SetRetry(gcs.WithPolicy(gcs.RetryAlways), gcs.WithErrorFunc(worthTrying), gcs.WithMaxAttempts(maxAttempts), gcs.WithBackoff(gax.Backoff{Initial: firstDelay, Max: maxDelay, Multiplier: 2}))
	b := &bucket{
		client: c, bucket: c.Bucket(s.Bucket), transport: transport, name: s.Bucket, prefix: s.Prefix, signer: signer,
		fetch: transfer.Cut{PartBytes: int64(s.PartSize), AtOnce: s.Transfers},
		// The service takes the parts of an object one after the other, as many as there are.
		send: transfer.Cut{PartBytes: int64(s.PartSize), AtOnce: 1, MaxParts: int(maxObjectBytes / int64(s.PartSize))},
		can:  ^storage.Capabilities(0),
	}
	if signer == nil {
		b.can &^= storage.CanPresign
	}
	return b, nil
}

// worthTrying reports whether a request is to be sent again. The SDK does not count an
// answer that never began.
func worthTrying(err error) bool { return gcs.ShouldRetry(err) || errors.Is(err, io.EOF) }

// maxObjectBytes is how large an object may be.
const maxObjectBytes int64 = 5 << 40

// signer signs addresses.
type signer struct {
	email string
	key   []byte
}

// identity returns as whom the service is asked, nil for nobody, and what signs, nil
// where that is unknown.
func (s *settings) identity(ctx context.Context) (oauth2.TokenSource, *signer, error) {
	switch {
	case s.Anonymous:
		return nil, nil, nil
	case s.AmbientCredentials:
		found, err := google.FindDefaultCredentials(ctx, gcs.ScopeReadWrite)
		if err != nil {
			return nil, nil, fault.Wrap(fault.Unauthenticated, err, "ambient_credentials is set, and the machine has no identity").On(fault.Caller)
		}
		return found.TokenSource, nil, nil
	}
	account, err := google.JWTConfigFromJSON([]byte(s.CredentialsJSON.Reveal()), gcs.ScopeReadWrite)
	if err != nil {
		return nil, nil, fault.New(fault.Invalid, "credentials_json is no key of a service account").On(fault.Caller)
	}
	return account.TokenSource(ctx), &signer{account.Email, account.PrivateKey}, nil
}
