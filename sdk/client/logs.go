package client

import (
	"context"
	"io"
	"net/url"
	"strconv"
)

// LogOptions say which lines of an Ollama's output are wanted.
type LogOptions struct {
	Instance string // empty is the host's default one
	Lines    int    // how many of the last lines; 0 leaves it to the control plane
	Follow   bool   // go on with what is printed from now on
}

// Logs returns what an Ollama of a host printed, as lines of text. With Follow
// it goes on until the host goes away, the body is closed or ctx ends. The
// caller closes the body. It needs the role operator.
func (c *Client) Logs(ctx context.Context, host string, o LogOptions) (io.ReadCloser, error) {
	what := get("api", "hosts", host, "logs")
	what.accept = "text/plain"
	what.query = url.Values{}
	if o.Instance != "" {
		what.query.Set("instance", o.Instance)
	}
	if o.Lines > 0 {
		what.query.Set("lines", strconv.Itoa(o.Lines))
	}
	if o.Follow {
		what.query.Set("follow", "true")
	}
	res, err := c.send(ctx, what) //nolint:bodyclose // the caller closes it
	if err != nil {
		return nil, err
	}
	return &body{ReadCloser: res.Body, ctxErr: ctx.Err, client: c}, nil
}
