package edge

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Dialect is the shape in which a route's errors are written.
type Dialect uint8

// The dialects.
const (
	Dashboard Dialect = iota // {"error": "…", "code": "not_found"}
	Ollama                   // {"error": "…"}
	OpenAI                   // {"error": {"message", "type", "param", "code"}}
	Anthropic                // {"type": "error", "error": {"type", "message"}}
)

// StatusOf returns the HTTP status of an error, by its kind.
func StatusOf(err error) int {
	var r *statusError
	if errors.As(err, &r) && r.status != 0 {
		return r.status
	}
	switch fault.KindOf(err) {
	case fault.None:
		return 200
	case fault.Invalid:
		return 400
	case fault.Unauthenticated:
		return 401
	case fault.Forbidden:
		return 403
	case fault.NotFound:
		return 404
	case fault.Conflict:
		return 409
	case fault.TooLarge:
		return 413
	case fault.RateLimited:
		return 429
	case fault.Canceled:
		return 499 // nobody is left to read it; the number is for the logs
	case fault.NotImplemented:
		return 501
	case fault.Unavailable:
		return 503
	case fault.Timeout:
		if fault.SideOf(err) == fault.Caller {
			return 408
		}
		return 504
	case fault.NoSpace:
		return 507
	case fault.Corrupt:
		if fault.SideOf(err) == fault.Caller {
			return 400
		}
	}
	return 500
}

// statusError is an error that brings a status, header fields or faults of its own.
type statusError struct {
	cause  error
	status int // 0: the kind decides
	header []HeaderField
	faults []FieldFault
}

func (r *statusError) Error() string { return r.cause.Error() }
func (r *statusError) Unwrap() error { return r.cause }

// WithField returns err with a header field that goes out with the answer which
// tells of it.
func WithField(err error, field HeaderField) error {
	with := extend(err)
	with.header = append(slices.Clip(with.header), field)
	return with
}

// FieldFault is what is wrong with one field of a body.
type FieldFault struct {
	Field   string `json:"field"` // its path; empty is the body as a whole
	Message string `json:"message"`
}

// WithFaults returns err with what is wrong with each field, which the dashboard's
// dialect tells beside the sentence.
func WithFaults(err error, faults []FieldFault) error {
	with := extend(err)
	with.faults = faults
	return with
}

// extend returns err as one that can bring more than it does.
func extend(err error) *statusError {
	with := &statusError{cause: err}
	if inner, ok := errors.AsType[*statusError](err); ok {
		with.status, with.header, with.faults = inner.status, inner.header, inner.faults
	}
	return with
}

// retryAfter is the advice to try again after a while, in whole seconds, at
// least one.
func retryAfter(d time.Duration) HeaderField {
	seconds := max(1, int((d+time.Second-1)/time.Second))
	return HeaderField{Name: "Retry-After", Value: strconv.Itoa(seconds)}
}

// defaultRetryAfter is the advice on 429 and 503 where the error brings none.
const defaultRetryAfter = 5 * time.Second

// problem returns the response that tells a client of an error.
func problem(d Dialect, err error) *Response {
	status := StatusOf(err)
	resp := &Response{Status: status, Header: jsonHeader(), Body: problemBody(d, status, err)}
	if r, ok := errors.AsType[*statusError](err); ok {
		resp.Header = append(resp.Header, r.header...)
	}
	if status == 401 {
		resp.Header = append(resp.Header, HeaderField{Name: "WWW-Authenticate", Value: "Bearer"})
	}
	advice := fault.RetryAfterOf(err)
	if advice == 0 && (status == 429 || status == 503) {
		advice = defaultRetryAfter
	}
	if advice > 0 {
		resp.Header = append(resp.Header, retryAfter(advice))
	}
	return resp
}

// errorBody is how the dashboard's dialect tells of an error.
type errorBody struct {
	Code    string       `json:"code"` // a stable word, such as "not_found"
	Message string       `json:"error"`
	Faults  []FieldFault `json:"fields,omitempty"`
}

// ErrorBody returns the JSON by which a dialect tells of an error: what stands
// in the body of an answer, and what a stream that has begun already may end with.
func ErrorBody(d Dialect, err error) []byte { return problemBody(d, StatusOf(err), err) }

func problemBody(d Dialect, status int, err error) []byte {
	message, code := fault.MessageOf(err), fault.KindOf(err).String()
	var v any
	switch d {
	case Ollama:
		v = map[string]string{"error": message}
	case OpenAI:
		if status == 401 {
			code = "invalid_api_key" // the code that client libraries know
		}
		v = map[string]any{"error": map[string]any{
			"message": message, "type": apiErrorType(status), "param": nil, "code": code,
		}}
	case Anthropic:
		v = map[string]any{"type": "error", "error": map[string]string{
			"type": apiErrorType(status), "message": message,
		}}
	default:
		body := errorBody{Code: code, Message: message}
		if e, ok := errors.AsType[*statusError](err); ok {
			body.Faults = e.faults
		}
		v = body
	}
	// Strings and nils can always be encoded.
	body, _ := json.Marshal(v)
	return body
}

// apiErrorType is the class of an error in the words that OpenAI's and
// Anthropic's client libraries share.
func apiErrorType(status int) string {
	switch status {
	case 401:
		return "authentication_error"
	case 403:
		return "permission_error"
	case 404:
		return "not_found_error"
	case 429:
		return "rate_limit_error"
	}
	if status >= 400 && status < 500 {
		return "invalid_request_error"
	}
	return "api_error"
}

// dialectOf chooses the dialect for a path that no route has.
func dialectOf(segments []string) Dialect {
	if len(segments) > 0 && segments[0] == "v1" {
		return OpenAI
	}
	return Dashboard
}
