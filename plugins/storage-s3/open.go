package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/corral-fleet/corral/plugins/internal/transfer"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// How often a request is sent at most, and how long is waited between two.
const (
	maxAttempts = 4
	maxBackoff  = 2 * time.Second
)

// maxParts is how many parts an object may have.
const maxParts = 10_000

func open(ctx context.Context, s settings) (storage.Backend, error) {
	transport, err := s.Transport()
	if err != nil {
		return nil, err
	}
	c, err := s.client(ctx, &http.Client{Transport: transport})
	if err != nil {
		return nil, err
	}
	b := &bucket{
		client: c, presigner: s3.NewPresignClient(c), transport: transport, name: s.Bucket, prefix: s.Prefix,
		cut: transfer.Cut{PartBytes: int64(s.PartSize), AtOnce: s.Transfers, MaxParts: maxParts},
		can: ^storage.Capabilities(0),
	}
	creates := s.ConditionalCreate == on || s.ConditionalCreate == auto && s.amazon()
	if s.ConditionalCreate == auto && !creates {
		if creates, err = b.tryCreating(ctx); err != nil {
			transport.CloseIdleConnections()
			return nil, err
		}
	}
	if !creates {
		b.can &^= storage.CanCreate
	}
	return b, nil
}

func (s *settings) client(ctx context.Context, by *http.Client) (*s3.Client, error) {
	var keys aws.CredentialsProvider = credentials.NewStaticCredentialsProvider(s.AccessKeyID, s.SecretAccessKey.Reveal(), s.SessionToken.Reveal())
	if s.AmbientCredentials {
		found, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithHTTPClient(by), awsconfig.WithRegion(s.Region))
		if err != nil {
			return nil, fault.Wrap(fault.Unauthenticated, err, "ambient_credentials is set, and the machine's credentials can't be read").On(fault.Caller)
		}
		keys = found.Credentials
	}
	o := s3.Options{
		Region: s.Region, Credentials: keys, HTTPClient: by, DisableLogOutputChecksumValidationSkipped: true,
		UsePathStyle:               s.Addressing == path || s.Addressing == auto && !s.amazon(),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired, ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
		Retryer: retry.NewStandard(func(r *retry.StandardOptions) {
			r.MaxAttempts, r.MaxBackoff, r.RateLimiter = maxAttempts, maxBackoff, ratelimit.None
			r.Retryables = append(r.Retryables, retry.RetryableErrorCode{Codes: map[string]struct{}{"ConditionalRequestConflict": {}, "OperationAborted": {}}})
		}),
	}
	if s.Checksums == whenSupported || s.Checksums == auto && s.amazon() {
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenSupported
	}
	if s.Endpoint != "" {
		o.BaseEndpoint = aws.String(strings.TrimSuffix(s.Endpoint, "/"))
	}
	return s3.New(o), nil
}

// tryCreating finds out whether the service puts an object only where there is none.
// Some do not know the condition and put it anyway.
func (b *bucket) tryCreating(ctx context.Context) (bool, error) {
	key := storage.Reserved + "/probe-" + rand.Text()
	create := func() error {
		_, err := b.client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &b.name, Key: b.at(key), Body: bytes.NewReader(nil), IfNoneMatch: aws.String("*"),
		})
		return err
	}
	err := create()
	switch kind := fault.KindOf(explained(ctx, err, "try out the bucket")); {
	case kind == fault.Forbidden, kind == fault.NotImplemented, kind == fault.Invalid: // it may only be read, or knows no conditions
		return false, nil
	case err != nil:
		return false, explained(ctx, err, "try out the bucket")
	}
	again := create()
	err = b.Delete(ctx, key)
	return codeOf(again) == preconditionFailed, err
}
