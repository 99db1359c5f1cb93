package main

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/corral-fleet/corral/plugins/internal/transfer"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// How often a request is sent again at most, and how long is waited between two. A
// service that wants to be left alone for longer is not asked again: the caller is told.
const (
	maxRetries = 3
	firstDelay = 200 * time.Millisecond
	maxDelay   = 2 * time.Second
)

// maxParts is how many blocks an object may have.
const maxParts = 50_000

func open(_ context.Context, s settings) (storage.Backend, error) {
	transport, err := s.Transport()
	if err != nil {
		return nil, err
	}
	c, err := s.client(azcore.ClientOptions{
		Transport: &http.Client{Transport: transport},
		Retry:     policy.RetryOptions{MaxRetries: maxRetries, RetryDelay: firstDelay, MaxRetryDelay: maxDelay, ShouldRetry: worthTrying},
		Telemetry: policy.TelemetryOptions{Disabled: true},
	})
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the account's address or its credentials can't be used").On(fault.Caller)
	}
	b := &blobs{
		client: c, transport: transport, container: s.Container, prefix: s.Prefix, address: strings.TrimSuffix(s.address(), "/") + "/",
		cut: transfer.Cut{PartBytes: int64(s.PartSize), AtOnce: s.Transfers, MaxParts: maxParts},
		can: ^storage.Capabilities(0),
	}
	if !s.AccountKey.IsSet() { // which alone signs
		b.can &^= storage.CanPresign | storage.CanCopy
	}
	return b, nil
}

func (s *settings) client(o azcore.ClientOptions) (*container.Client, error) {
	options := &container.ClientOptions{ClientOptions: o}
	switch {
	case s.SASToken.IsSet():
		return container.NewClientWithNoCredential(s.address()+"?"+strings.TrimPrefix(s.SASToken.Reveal(), "?"), options)
	case s.AmbientCredentials:
		identity, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: o})
		if err != nil {
			return nil, err
		}
		return container.NewClient(s.address(), identity, options)
	}
	key, err := blob.NewSharedKeyCredential(s.Account, s.AccountKey.Reveal())
	if err != nil {
		return nil, err
	}
	return container.NewClientWithSharedKeyCredential(s.address(), key, options)
}

// worthTrying reports whether a request is to be sent again.
func worthTrying(r *http.Response, err error) bool {
	if err != nil || r == nil {
		return true
	}
	switch r.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return wait(r) <= maxDelay
	}
	return false
}
