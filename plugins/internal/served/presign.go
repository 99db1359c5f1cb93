package served

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// unknownTTL is for how long an address is told to be good that does not say it.
const unknownTTL = 10 * time.Minute

// Presign returns the address on another host that a file's server sends on to, where
// nobody asks who comes; ok is false where it sends the file itself.
func (c *Client) Presign(ctx context.Context, f File, ttl time.Duration) (signed storage.Presigned, ok bool, err error) {
	what := "find an address of the file " + strconv.Quote(f.Key)
	first, err := url.Parse(f.URL)
	if err != nil {
		return storage.Presigned{}, false, fault.Wrap(fault.Internal, err, "the file %q has no address", f.Key)
	}
	at := first
	for range maxRedirects {
		answer, err := c.Do(ctx, Request{URL: at.String(), Header: http.Header{"Range": {"bytes=0-0"}}, What: what, Stay: true})
		if err != nil {
			return storage.Presigned{}, false, err
		}
		if err := answer.Body.Close(); err != nil {
			return storage.Presigned{}, false, withoutAnswer(ctx, err, what)
		}
		if answer.StatusCode < http.StatusMultipleChoices {
			return storage.Presigned{}, false, nil
		}
		if at, err = answer.Location(); err != nil || at.Scheme != first.Scheme && at.Scheme != "https" {
			return storage.Presigned{}, false, fault.New(fault.Forbidden, "the server sends on to where nobody follows when the plugin was to %s", what).On(fault.Service)
		}
		if !SameOrigin(at, first) {
			return storage.Presigned{URL: at.String(), ExpiresAt: expiry(at.Query(), time.Now(), ttl)}, true, nil
		}
	}
	return storage.Presigned{}, false, fault.New(fault.Unavailable, "the server sends on again and again").On(fault.Service)
}

// expiry returns when an address ends to be good, by what services write into it.
func expiry(query url.Values, now time.Time, ttl time.Duration) time.Time {
	if seconds, err := strconv.ParseInt(query.Get("Expires"), 10, 64); err == nil {
		return time.Unix(seconds, 0)
	}
	if seconds, err := strconv.Atoi(query.Get("X-Amz-Expires")); err == nil {
		if signed, err := time.Parse("20060102T150405Z", query.Get("X-Amz-Date")); err == nil {
			return signed.Add(time.Duration(seconds) * time.Second)
		}
	}
	if until, err := time.Parse(time.RFC3339, query.Get("se")); err == nil {
		return until
	}
	return now.Add(min(ttl, unknownTTL))
}
