package live

import (
	"encoding/json"

	"github.com/corral-fleet/corral/controlplane/internal/live/socketio"
)

// request is an event that a client sent.
type request struct {
	event string
	data  json.RawMessage // nil when there is none
	id    json.RawMessage // of the raw dialect, echoed; nil without one
	ack   *uint64         // of Socket.IO, the acknowledgement that is asked for; nil without one
}

// framing writes events in one dialect. Values are compared: what two equal ones
// write is the same.
type framing interface {
	// event frames one event. It belongs to a request, or to none, which is the
	// zero request.
	event(name string, data json.RawMessage, of request) []byte
	// answer frames the event that answers a request, of which there is one.
	answer(name string, data json.RawMessage, of request) []byte
	// page frames such an answer with what says where it goes on.
	page(name string, data json.RawMessage, at place, of request) []byte
	// greeting frames the first event, which has a sentence beside its data.
	greeting(sentence string, data json.RawMessage) []byte
}

// place says of which storage a page of files is, and where the next one begins.
type place struct {
	Cursor  string `json:"cursor"` // empty after the last page
	Storage string `json:"storage"`
}

// rawFraming is the dialect of plain JSON frames.
type rawFraming struct{}

type rawFrame struct {
	Type    string          `json:"type"`
	Message string          `json:"message,omitempty"`
	Data    json.RawMessage `json:"data"`
	ID      json.RawMessage `json:"id,omitempty"`

	*place // of a page; its fields stand beside the others
}

func (f rawFrame) append() []byte {
	// Strings and JSON that was encoded or parsed before can be encoded.
	text, _ := json.Marshal(f)
	return text
}

func (rawFraming) event(name string, data json.RawMessage, of request) []byte {
	return rawFrame{Type: name, Data: data, ID: of.id}.append()
}

func (f rawFraming) answer(name string, data json.RawMessage, of request) []byte {
	return f.event(name, data, of)
}

func (rawFraming) page(name string, data json.RawMessage, at place, of request) []byte {
	return rawFrame{Type: name, Data: data, ID: of.id, place: &at}.append()
}

func (rawFraming) greeting(sentence string, data json.RawMessage) []byte {
	return rawFrame{Type: "init", Message: sentence, Data: data}.append()
}

// ioFraming is the dialect of Socket.IO, within a namespace.
type ioFraming struct {
	namespace string
}

func (f ioFraming) packet(data json.RawMessage) []byte {
	return socketio.Packet{Type: socketio.Event, Namespace: f.namespace, Data: data}.Append(nil)
}

func (f ioFraming) event(name string, data json.RawMessage, _ request) []byte {
	return f.packet(socketio.Args(name, data))
}

// answer is an acknowledgement where one was asked for, and then no event.
func (f ioFraming) answer(name string, data json.RawMessage, of request) []byte {
	if of.ack == nil {
		return f.event(name, data, of)
	}
	return socketio.Packet{Type: socketio.Ack, Namespace: f.namespace, ID: of.ack, Data: socketio.List(data)}.Append(nil)
}

// page has the place in a second argument.
func (f ioFraming) page(name string, data json.RawMessage, at place, of request) []byte {
	beside, _ := json.Marshal(at) // strings alone
	if of.ack == nil {
		return f.packet(socketio.Args(name, data, beside))
	}
	return socketio.Packet{Type: socketio.Ack, Namespace: f.namespace, ID: of.ack, Data: socketio.List(data, beside)}.Append(nil)
}

// greeting has the sentence in a second argument, where the raw dialect has it
// beside the data.
func (f ioFraming) greeting(sentence string, data json.RawMessage) []byte {
	beside, _ := json.Marshal(map[string]string{"message": sentence}) // strings alone
	return f.packet(socketio.Args("init", data, beside))
}
