package client_test

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

const lastEvent = `data: {"message":"","model":"tiny","done":true,"tokens":2,"response_time":1250}` + "\n\n"

var reply = &client.Reply{Message: "Hello there", Model: "tiny", Tokens: 2, ResponseTime: 1250 * time.Millisecond}

func TestChat(t *testing.T) {
	c := serve(t, answer(200, `{"message":"Hello there","model":"tiny","tokens":2,"response_time":1250}`))
	got, err := c.Chat(t.Context(), "tiny", "Hi")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(reply, got); diff != "" {
		t.Error(diff)
	}
}

// TestChatStreamHandsPiecesOverAsTheyCome sends the second piece only once the
// first was handed over.
func TestChatStreamHandsPiecesOverAsTheyCome(t *testing.T) {
	handedOver := make(chan struct{})
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if got, want := string(body), `{"message":"Hi","model":"tiny"}`; got != want {
			t.Errorf("body %s, want %s", got, want)
		}
		io.WriteString(w, ": a comment\n\nevent: message\r\ndata: {\"message\":\"Hello\",\"thinking\":\"hm\",\r\ndata: \"model\":\"tiny\",\"done\":false}\r\n\r\n")
		w.(http.Flusher).Flush()
		select {
		case <-handedOver:
		case <-r.Context().Done():
			return
		}
		io.WriteString(w, `data:{"message":" there","done":false}`+"\n\n"+lastEvent)
	})
	var pieces []client.Piece
	got, err := c.ChatStream(t.Context(), "tiny", "Hi", func(piece client.Piece) error {
		pieces = append(pieces, piece)
		if len(pieces) == 1 {
			close(handedOver)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]client.Piece{{Text: "Hello", Thinking: "hm"}, {Text: " there"}}, pieces); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(reply, got); diff != "" {
		t.Error(diff)
	}
}

func TestChatStreamThatFails(t *testing.T) {
	const piece = `data: {"message":"Hel","model":"tiny","done":false}` + "\n\n"
	cases := []struct {
		name   string
		status int
		body   string
		pieces int
		kind   fault.Kind
	}{
		{"before it begins", 404, `{"error":"model \"tiny\" not found","code":"not_found"}`, 0, fault.NotFound},
		{"by an event", 200, piece + `data: {"error":"the runner died","code":"unavailable","done":true}` + "\n\n", 1, fault.Unavailable},
		{"by an event without a code", 200, piece + `data: {"error":"the runner died","done":true}` + "\n\n", 1, fault.Unavailable},
		{"without its end", 200, piece, 1, fault.Unavailable},
		{"within an event", 200, piece + `data: {"message":"lo","model":"tiny","done":true,"tokens":2}`, 1, fault.Unavailable},
		{"with what is no JSON", 200, piece + "data: <html>\n\n", 1, fault.Unavailable},
		{"with nothing", 200, "", 0, fault.Unavailable},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			pieces := 0
			_, err := serve(t, answer(tc.status, tc.body)).ChatStream(t.Context(), "tiny", "Hi", func(client.Piece) error { pieces++; return nil })
			if kind := fault.KindOf(err); kind != tc.kind {
				t.Errorf("kind %v, want %v (%v)", kind, tc.kind, err)
			}
			if pieces != tc.pieces {
				t.Errorf("%d pieces, want %d", pieces, tc.pieces)
			}
		})
	}
}

// TestChatStreamIsEndedByItsReader: the control plane sees that nobody wants
// the rest.
func TestChatStreamIsEndedByItsReader(t *testing.T) {
	left := make(chan struct{})
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, `data: {"message":"Hello","done":false}`+"\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(left)
	})
	enough := errors.New("enough")
	_, err := c.ChatStream(t.Context(), "tiny", "Hi", func(client.Piece) error { return enough })
	if !errors.Is(err, enough) {
		t.Errorf("got %v, want the reader's own error", err)
	}
	<-left
}
