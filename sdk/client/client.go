// Package client calls a control plane's dashboard API.
//
// A [Client] asks one control plane, with one key:
//
//	c, err := client.New("http://127.0.0.1:11435", key, client.Options{})
//	status, err := c.Status(ctx)
//
// What the control plane refuses comes back as a fault.Error of the kind that
// it named, with the sentence that it said. A control plane that can't be
// reached is fault.Unavailable; a context that ended is fault.Canceled or
// fault.Timeout. There is no time limit but the context's.
//
// Types have the fields of the API's JSON under Go names. A nil pointer, a zero
// time and an empty string mean that nobody knows; fields that are not known
// here are ignored, so that a newer control plane can be asked.
package client

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Options change how a [Client] calls. The zero value is ready for use.
type Options struct {
	// HTTP sends the requests. Its redirects are not followed, because a control
	// plane makes none. Nil is a client with the standard transport.
	HTTP *http.Client
	// UserAgent is what the requests call their maker; empty is "corral-client".
	UserAgent string
}

// Client calls one control plane. Its methods may be called concurrently.
type Client struct {
	base      url.URL
	key       string
	userAgent string
	http      http.Client
}

// New returns a client of the control plane at baseURL, such as
// "http://127.0.0.1:11435". An empty key is sent as none, which a control plane
// that lets callers in without one accepts. An address of another form is
// fault.Invalid. Nothing is sent before a method is called.
func New(baseURL, key string, o Options) (*Client, error) {
	base, err := url.Parse(baseURL)
	switch {
	case err != nil, base.Scheme != "http" && base.Scheme != "https", base.Hostname() == "":
		// Neither the address nor the parser's error is shown: a key may be in them.
		return nil, fault.New(fault.Invalid, "that is not the address of a control plane; one looks like http://HOST:11435").On(fault.Caller)
	case base.User != nil, base.RawQuery != "", base.Fragment != "":
		return nil, fault.New(fault.Invalid, "the address of a control plane is a scheme, a host, a port and no more; the key is given beside it").On(fault.Caller)
	case strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, fault.New(fault.Invalid, "the key has characters that no key has; was it cut or quoted wrongly?").On(fault.Caller)
	}
	c := &Client{base: *base, key: key, userAgent: o.UserAgent}
	if c.userAgent == "" {
		c.userAgent = "corral-client"
	}
	if o.HTTP != nil {
		c.http = *o.HTTP
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}
