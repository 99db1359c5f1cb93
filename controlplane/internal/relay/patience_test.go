package relay_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
	"github.com/corral-fleet/corral/sdk/fault"
)

// after answers like this, but only after a while in the line, at place 3.
func after(wait time.Duration, answer func() (*fleet.Answer, error)) relaytest.Forward {
	return func(ctx context.Context, _ string, call fleet.Call) (*fleet.Answer, error) {
		call.Place.Wait(func() int { return 3 })
		defer call.Place.Leave(wait)
		select {
		case <-time.After(wait):
			return answer()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func whole(text string) func() (*fleet.Answer, error) {
	contentType := ndjson
	if !strings.HasPrefix(text, "{") {
		contentType = sse
	}
	return func() (*fleet.Answer, error) { return relaytest.Stream(contentType, nil, text), nil }
}

func TestAShortWaitIsToldInTheHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := relay.New(after(9*time.Second, whole(last)), nil, hclog.NewNullLogger())
		resp, err := r.Handler(native())(t.Context(), &edge.Request{Method: "POST", Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Stream)
		if string(text) != last || err != nil || resp.Stream.Close() != nil {
			t.Errorf("%q, %v", text, err)
		}
		want := map[string]string{
			"Corral-Host": "alpha", "Content-Type": ndjson, "X-Accel-Buffering": "no",
			"Corral-Queue-Position": "3", "Corral-Queue-Wait-Seconds": "9.000",
		}
		if diff := cmp.Diff(want, fieldsOf(resp)); diff != "" {
			t.Errorf("header (-want +got)\n%s", diff)
		}
	})
}

func fieldsOf(resp *edge.Response) map[string]string {
	fields := map[string]string{}
	for _, f := range resp.Header {
		fields[f.Name] = f.Value
	}
	return fields
}

// What a client reads that waits for 25 s, line by line.
func TestALongWaitGivesSignsOfLife(t *testing.T) {
	generate := native()
	generate.Path = "/api/generate"
	busy := func() (*fleet.Answer, error) {
		return nil, fault.New(fault.Unavailable, "no host became free").On(fault.Host)
	}
	for name, c := range map[string]struct {
		endpoint relay.Endpoint
		answer   func() (*fleet.Answer, error)
		sign     string // in each of the two lines, or events, before the rest
		rest     string
	}{
		"Ollama's chat":    {native(), whole(token + last), `"message":{"role":"assistant","content":""},"done":false`, token + last},
		"Ollama's prompts": {generate, whole(last), `"response":"","done":false`, last},
		"OpenAI's":         {completions(), whole("data: {}\n\ndata: [DONE]\n\n"), ": waiting, position 3\n", "data: {}\n\ndata: [DONE]\n\n"},
		"Anthropic's":      {messages(), whole("event: message_stop\ndata: {}\n\n"), "event: ping\n", "event: message_stop\ndata: {}\n\n"},
		"an error":         {native(), busy, `"content":""},"done":false`, `{"error":"no host became free"}` + "\n"},
		"a model that nobody has any more": {native(), func() (*fleet.Answer, error) {
			return nil, fault.New(fault.NotFound, "none").On(fault.Caller)
		}, `"done":false`, `{"error":"model 'tiny' not found"}` + "\n"},
		"an answer that breaks off": {native(), func() (*fleet.Answer, error) {
			return relaytest.Stream(ndjson, nil, token), nil
		}, `"done":false`, token + `{"error":"the answer from host \"alpha\" broke off before its end"}` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := relay.New(after(25*time.Second, c.answer), nil, hclog.NewNullLogger())
				began := time.Now()
				resp, err := r.Handler(c.endpoint)(t.Context(), &edge.Request{Method: "POST", Body: []byte(body)})
				if err != nil {
					t.Fatal(err)
				}
				if got := fieldsOf(resp)["Corral-Queue-Position"]; resp.Status/100 > 2 || got != "3" {
					t.Errorf("status %d, position %q", resp.Status, got)
				}
				lines := bufio.NewReader(resp.Stream)
				for i := range 2 {
					var sign []byte
					for !bytes.Contains(sign, []byte(c.sign)) {
						line, err := lines.ReadString('\n')
						if err != nil {
							t.Fatalf("after %q: %v", sign, err)
						}
						sign = append(sign, line...)
					}
					if waited, want := time.Since(began), time.Duration(i+1)*10*time.Second; waited != want {
						t.Errorf("sign %d came after %v, want %v", i, waited, want)
					}
				}
				rest, err := io.ReadAll(lines)
				if err != nil || !strings.HasSuffix(string(rest), c.rest) {
					t.Errorf("then %q, %v, want %q", rest, err, c.rest)
				}
				if waited := time.Since(began); waited != 25*time.Second {
					t.Errorf("it took %v", waited)
				}
				if err := resp.Stream.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Who leaves while waiting ends what was asked for them.
func TestALongWaitEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		r := relay.New(relaytest.Forward(func(ctx context.Context, _ string, _ fleet.Call) (*fleet.Answer, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		}), nil, hclog.NewNullLogger())
		resp, err := r.Handler(native())(t.Context(), &edge.Request{Method: "POST", Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Stream.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; fault.KindOf(err) != fault.Canceled {
			t.Error(err)
		}
	})
}

// What is not a stream waits as long as it takes, and still gets its status.
func TestAWholeAnswerHasItsStatusHoweverLongItTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := relay.New(after(time.Hour, func() (*fleet.Answer, error) {
			return nil, fault.New(fault.Unavailable, "no").On(fault.Host)
		}), nil, hclog.NewNullLogger())
		began := time.Now()
		_, err := r.Handler(native())(t.Context(), &edge.Request{Method: "POST", Body: []byte(`{"model":"tiny","stream":false}`)})
		if fault.KindOf(err) != fault.Unavailable || time.Since(began) != time.Hour {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}
