package edge

import (
	"encoding/json"
	"io"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Response is the answer of a handler. Body and Stream exclude each other.
type Response struct {
	Status int // 0 is 200
	Header []HeaderField
	// Body is written as it is and must not change afterwards.
	Body []byte
	// Stream is written while it is read: what one Read returns goes out at
	// once, as one chunk; the head goes out with the first of them. A Read must
	// return soon after the request's context has ended. An error other than io.EOF cuts the connection, so that the
	// client can't take the answer for a complete one. Close is called exactly
	// once, whatever happens, and never during a Read.
	Stream io.ReadCloser
	// StreamBytes is the exact length of Stream in bytes where it is known
	// (it is then sent as Content-Length); 0 is unknown.
	StreamBytes int64
}

// JSON returns a response with v encoded as its body. A v that can't be encoded
// is fault.Internal.
func JSON(status int, v any) (*Response, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "")
	}
	return &Response{Status: status, Header: jsonHeader(), Body: body}, nil
}

// Text returns a response with a plain text as its body.
func Text(status int, text string) *Response {
	return &Response{
		Status: status,
		Header: []HeaderField{{Name: "Content-Type", Value: "text/plain; charset=utf-8"}},
		Body:   []byte(text),
	}
}

func jsonHeader() []HeaderField {
	return []HeaderField{{Name: "Content-Type", Value: "application/json; charset=utf-8"}}
}
