package client

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/corral-fleet/corral/sdk/fault"
)

// maxRefusal bounds the body of a refusal, in bytes.
const maxRefusal = 64 << 10

// refusal is how the API tells of an error, as a body or as a stream's last event.
type refusal struct {
	Error string `json:"error"`
	Code  string `json:"code"`
}

// refused makes an error of an answer that is none of success.
func (c *Client) refused(res *http.Response) error {
	var said refusal
	body, err := readBounded(res.Body, maxRefusal)
	if err != nil || json.Unmarshal(body, &said) != nil || said.Error == "" {
		// A proxy on the way, or another program altogether: what it says is no reason.
		return fault.Wrap(kindOf("", res.StatusCode), err, "what answers at %s refused with status %d and gave no reason; it may be no control plane", c.base.Host, res.StatusCode).On(fault.Service)
	}
	return fault.New(kindOf(said.Code, res.StatusCode), "%s", said.Error).On(fault.Service)
}

// kindOf returns the kind that a code names; where it names none that is known
// here, the kind that the status stands for.
func kindOf(code string, status int) fault.Kind {
	if kind := fault.ParseKind(code); kind != fault.None && (kind != fault.Internal || code == fault.Internal.String()) {
		return kind
	}
	switch status {
	case http.StatusBadRequest:
		return fault.Invalid
	case http.StatusUnauthorized:
		return fault.Unauthenticated
	case http.StatusForbidden:
		return fault.Forbidden
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return fault.NotFound
	case http.StatusConflict:
		return fault.Conflict
	case http.StatusRequestEntityTooLarge:
		return fault.TooLarge
	case http.StatusTooManyRequests:
		return fault.RateLimited
	case http.StatusNotImplemented:
		return fault.NotImplemented
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return fault.Timeout
	case http.StatusInsufficientStorage:
		return fault.NoSpace
	case http.StatusInternalServerError:
		return fault.Internal
	}
	return fault.Unavailable
}

// failed makes an error of an exchange that broke. ended is the error of its
// context, nil while that lasts.
func (c *Client) failed(ended, err error) error {
	if ended != nil {
		return fault.Wrap(fault.KindOf(ended), ended, "").On(fault.Caller)
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // it repeats the address, which may have a key in it
	}
	return fault.Wrap(fault.Unavailable, err, "the control plane at %s could not be reached", c.base.Host).On(fault.Service)
}
