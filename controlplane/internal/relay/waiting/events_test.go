package waiting

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/corral-fleet/corral/controlplane/internal/chat"
)

// event is one event of a stream, as a client's library takes it in.
type event struct{ Name, Data string }

// parse reads a stream as its clients do, and wants it to be whole.
func parse(t *testing.T, f Form, stream string) []event {
	t.Helper()
	if f == OpenAI || f == Anthropic {
		return parseEvents(t, stream)
	}
	if strings.Contains(stream, "\n\n") || !strings.HasSuffix(stream, "\n") {
		t.Errorf("not a line for each object: %q", stream)
	}
	var events []event
	for lines := chat.NewLines(strings.NewReader(stream)); ; {
		line, err := lines.Next()
		if err == io.EOF {
			return events
		}
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, event{Data: string(line)})
	}
}

// parseEvents reads a stream of events by the rules of the HTML standard.
func parseEvents(t *testing.T, stream string) []event {
	t.Helper()
	var events []event
	var current event
	stream = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(stream)
	if !strings.HasSuffix(stream, "\n\n") {
		t.Errorf("the last event is not ended: %q", stream)
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(stream, "\n"), "\n") {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if current.Data != "" {
				events = append(events, event{current.Name, strings.TrimSuffix(current.Data, "\n")})
			}
			current = event{}
		case name == "event":
			current.Name = value
		case name == "data":
			current.Data += value + "\n"
		case name != "":
			t.Errorf("a line that is none of the protocol: %q", line)
		}
	}
	return events
}

// forms are all forms.
func forms() []Form { return []Form{Chat, Generate, OpenAI, Anthropic} }

// FuzzFailure lets hosts answer anything with an error's status: the client gets
// one event, which is an object with an error in it.
func FuzzFailure(f *testing.F) {
	for _, body := range []string{
		"", `{"error":"x"}`, "{\n \"error\": {\"message\": \"x\"}\r\n}\n", `{"error":null}`, `{"error":"a\nb"}`, `[1]`,
		"<html>\n\ndata: {}\n\n", `{"error":"x"}{"done":true}`, "{\"error\":\"\xff\u2028\"}", `{"Error":1}`,
	} {
		f.Add(body, 500)
	}
	f.Fuzz(func(t *testing.T, body string, status int) {
		status = 400 + max(status, -status)&127
		for _, form := range forms() {
			a := Answer{Status: status, Body: io.NopCloser(strings.NewReader(body))}
			events := parse(t, form, string(a.failure(form)))
			if len(events) != 1 {
				t.Fatalf("form %d: %d events: %q", form, len(events), events)
			}
			var object map[string]json.RawMessage
			if err := json.Unmarshal([]byte(events[0].Data), &object); err != nil {
				t.Fatalf("form %d: %v: %q", form, err, events[0].Data)
			}
			if told := string(object["error"]); told == "" || told == "null" || !utf8.ValidString(events[0].Data) {
				t.Errorf("form %d: no error in %q", form, events[0].Data)
			}
		}
	})
}
