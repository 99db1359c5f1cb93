package failover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
)

// TestOfAnswer has the errors that Ollama 0.17.4 is known to answer with.
func TestOfAnswer(t *testing.T) {
	f := func(status int, body string, want Blame) {
		t.Helper()
		if got := OfAnswer(status, []byte(body)); got != want {
			t.Errorf("%d %s is blamed on %v, want %v", status, body, got, want)
		}
	}
	f(200, `{"error":"an error was encountered while running the model: unexpected EOF"}`, BlameNone)
	f(200, ``, BlameNone)

	// What is wrong with the request is wrong everywhere.
	f(400, `{"error":"missing request body"}`, BlameRequest)
	f(400, `{"error":"the input length exceeds the context length"}`, BlameRequest)
	f(400, `{"error":"\"tiny\" does not support thinking"}`, BlameRequest)
	f(400, `{"error":"registry.ollama.ai/library/tiny:latest does not support tools"}`, BlameRequest)
	f(400, `{"error":{"message":"invalid character 'x' looking for beginning of value","type":"invalid_request_error","param":null,"code":null}}`, BlameRequest)
	f(404, `{"error":"model 'tiny' not found"}`, BlameRequest)
	f(404, `{"error":"model \"tiny\" not found, try pulling it first"}`, BlameRequest)
	f(404, `{"type":"error","error":{"type":"not_found_error","message":"model 'tiny' not found"},"request_id":"req_1"}`, BlameRequest)
	f(501, `{"error":"this model does not support embeddings"}`, BlameRequest)
	f(500, `{"error":"invalid format: \"xml\"; expected \"json\" or a valid JSON Schema object"}`, BlameRequest)
	f(500, `{"error":{"message":"invalid JSON schema in format","type":"api_error","param":null,"code":null}}`, BlameRequest)
	f(500, `{"error":"Failed to create new sequence: failed to process inputs: no input provided"}`, BlameRequest)
	f(500, `{"type":"error","error":{"type":"api_error","message":"failed to create new sequence: invalid image index: 1"}}`, BlameRequest)
	f(500, `{"error":"input exceeds maximum context length and cannot be truncated further"}`, BlameRequest)
	f(500, `{"error":"unable to shift context - keep exceeds context (keep: 4096 context: 2048)"}`, BlameRequest)
	f(500, `{"error":"template: :1:14: executing \"\" at <.Nope>: can't evaluate field Nope"}`, BlameRequest)
	f(500, `{"error":"template: :1: unclosed action"}`, BlameRequest)
	f(500, `{"error":"option \"temperature\" must be of type float32"}`, BlameRequest)
	f(500, `{"error":{"message":"option \"stop\" must be of type array","type":"api_error","param":null,"code":null}}`, BlameRequest)

	// What an instance could not do, another may.
	f(500, ``, BlameInstance)
	f(500, `{"error":"llama runner process has terminated: exit status 2"}`, BlameInstance)
	f(500, `{"error":"llama runner process no longer running: 2 CUDA error: out of memory"}`, BlameInstance)
	f(500, `{"error":"unexpected server status: llm server not responding"}`, BlameInstance)
	f(500, `{"error":"model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, check ollama server logs for details"}`, BlameInstance)
	f(500, `{"error":"model failed to load, this may be due to resource limitations or an internal error, check ollama server logs for details"}`, BlameInstance)
	f(500, `{"error":"an error was encountered while running the model: unexpected EOF"}`, BlameInstance)
	f(500, `{"error":"model requires more system memory (95.4 GiB) than is available (23.0 GiB)"}`, BlameInstance)
	f(500, `{"error":"timed out waiting for llama runner to start - progress 0.00 - "}`, BlameInstance)
	f(500, `{"error":"do embedding request: Post \"http://127.0.0.1:41337/embedding\": EOF"}`, BlameInstance)
	f(500, `{"error":{"message":"model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, check ollama server logs for details","type":"api_error","param":null,"code":null}}`, BlameInstance)
	f(500, `{"error":"cut off in the mid`, BlameInstance)
	f(500, `<html>not Ollama at all</html>`, BlameInstance)
	f(502, `Bad Gateway`, BlameInstance)
	f(504, ``, BlameInstance)

	f(503, `{"error":"server busy, please try again.  maximum pending requests exceeded"}`, BlameBusy)
	f(499, `{"error":"request canceled"}`, BlameCaller)
}

func TestOfError(t *testing.T) {
	f := func(err error, want Blame) {
		t.Helper()
		if got := OfError(err); got != want {
			t.Errorf("%v is blamed on %v, want %v", err, got, want)
		}
	}
	f(nil, BlameNone)
	f(context.Canceled, BlameCaller)
	f(fault.New(fault.Forbidden, "the key was revoked").On(fault.Caller), BlameCaller)
	f(fault.New(fault.Invalid, "the body is not a JSON object"), BlameRequest)
	f(context.DeadlineExceeded, BlameRequest)
	f(fmt.Errorf("chat: %w", fault.Wrap(fault.Unavailable, io.EOF, "the host could not be reached").On(fault.Host)), BlameInstance)
	f(fault.New(fault.Unavailable, "Ollama on this host does not serve").On(fault.Ollama), BlameInstance)
	f(fault.New(fault.Timeout, "no token came in time").On(fault.Ollama), BlameInstance)
	f(fault.New(fault.NotFound, "this host has no Ollama instance %q", "b").On(fault.Host), BlameInstance)
	f(fault.New(fault.Unavailable, "away"), BlameInstance)
	f(errors.New("nobody knows"), BlameUnknown)
	f(io.ErrUnexpectedEOF, BlameUnknown)
}

func FuzzOfAnswer(f *testing.F) {
	f.Add(500, []byte(`{"error":"llama runner process has terminated: exit status 2"}`))
	f.Add(500, []byte(`{"error":{"message":"invalid JSON schema in format"}}`))
	f.Add(404, []byte(`{"error":`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		blame := OfAnswer(status, body)
		if (blame == BlameNone) != (status < 400) {
			t.Errorf("status %d is blamed on %v", status, blame)
		}
		if status >= 400 && status < 500 && (blame == BlameInstance || blame == BlameBusy) {
			t.Errorf("status %d is blamed on %v", status, blame)
		}
		if blame == BlameUnknown {
			t.Errorf("status %d %q is not classified", status, body)
		}
	})
}
