package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
)

// maxAnswer bounds an answer that is read as a whole, in bytes. The list of
// hosts of a large fleet, with all that their Ollamas hold, stays far below.
const maxAnswer = 64 << 20

// call is one request.
type call struct {
	method string
	path   []string // segments below the base, not yet escaped
	query  url.Values
	body   any    // sent as JSON; nil for none
	accept string // what the answer should be; empty is JSON

	content      io.Reader // sent as it is, in place of body
	contentBytes int64     // how much of it there is; -1 is unknown
	contentType  string    // empty is bytes that are nothing in particular

	header http.Header // beside what goes without saying
}

// get is a call for the path's segments.
func get(path ...string) call { return call{method: http.MethodGet, path: path} }

// post is a call without a body.
func post(path ...string) call { return call{method: http.MethodPost, path: path} }

// ask sends a call and decodes its answer into dst.
func (c *Client) ask(ctx context.Context, what call, dst any) error {
	res, err := c.send(ctx, what)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := readBounded(res.Body, maxAnswer)
	if err != nil {
		return c.failed(ctx.Err(), err)
	}
	if err := json.Unmarshal(answer, dst); err != nil {
		return fault.Wrap(fault.Unavailable, err, "what answers at %s does not speak as a control plane does", c.base.Host).On(fault.Service)
	}
	return nil
}

// send sends a call and returns its answer, whose body the caller closes. An
// answer that is none of success is returned as its error.
func (c *Client) send(ctx context.Context, what call) (*http.Response, error) {
	if slices.Contains(what.path, "") {
		return nil, fault.New(fault.Invalid, "a name is missing: what the call is about cannot be empty").On(fault.Caller)
	}
	var body io.Reader
	if what.body != nil {
		encoded, err := json.Marshal(what.body)
		if err != nil {
			return nil, fault.Wrap(fault.Internal, err, "")
		}
		body = bytes.NewReader(encoded)
	}
	if what.content != nil {
		body = io.NopCloser(what.content) // it is the caller's to close
	}
	req, err := http.NewRequestWithContext(ctx, what.method, c.target(what), body)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "")
	}
	req.Header.Set("Accept", "application/json")
	if what.accept != "" {
		req.Header.Set("Accept", what.accept)
	}
	if what.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if what.content != nil {
		req.Header.Set("Content-Type", cmp.Or(what.contentType, "application/octet-stream"))
		req.ContentLength = what.contentBytes
		if what.contentBytes == 0 {
			req.Body = http.NoBody // else it counts as unknown
		}
	}
	maps.Copy(req.Header, what.header)
	req.Header.Set("User-Agent", c.userAgent)
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.failed(ctx.Err(), err)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		defer res.Body.Close()
		return nil, c.refused(res)
	}
	return res, nil
}

// target returns the URL of a call. Each segment is escaped by itself: a
// model's name may have a slash in it.
func (c *Client) target(what call) string {
	target := c.base
	path, raw := []string{strings.TrimRight(target.Path, "/")}, []string{strings.TrimRight(target.EscapedPath(), "/")}
	for _, segment := range what.path {
		path, raw = append(path, segment), append(raw, escape(segment))
	}
	target.Path, target.RawPath = strings.Join(path, "/"), strings.Join(raw, "/")
	target.RawQuery = what.query.Encode()
	return target.String()
}

// escape makes one segment of a path. Dots alone would be taken for steps.
func escape(segment string) string {
	if segment == "." || segment == ".." {
		return strings.ReplaceAll(segment, ".", "%2E")
	}
	return url.PathEscape(segment)
}

// readBounded reads all of r, up to a limit in bytes.
func readBounded(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = errTooLarge
	}
	return b, err
}

var errTooLarge = errors.New("the answer is larger than any that is expected")
