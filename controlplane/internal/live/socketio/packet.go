package socketio

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Type is the type of a Socket.IO packet; the numbers are the protocol's.
type Type uint8

// The types of Socket.IO packets.
const (
	Connect      Type = 0
	Disconnect   Type = 1
	Event        Type = 2
	Ack          Type = 3
	ConnectError Type = 4
	BinaryEvent  Type = 5 // its attachments follow as binary messages
	BinaryAck    Type = 6
)

func (t Type) binary() bool { return t == BinaryEvent || t == BinaryAck }

// Root is the namespace that a client joins unless it asks for another one.
const Root = "/"

// Packet is one Socket.IO packet.
type Packet struct {
	Type        Type
	Namespace   string  // starts with a slash and holds no comma
	ID          *uint64 // of the acknowledgement that is asked for or given; nil without one
	Attachments int     // of binary types, at least 1
	// Data is JSON: an array of arguments in events, which starts with the
	// event's name, and in acknowledgements; an object in Connect and
	// ConnectError; empty where there is none.
	Data json.RawMessage
}

// Append appends the packet inside an Engine.IO message.
func (p Packet) Append(dst []byte) []byte {
	dst = append(dst, byte(Message), '0'+byte(p.Type))
	if p.Type.binary() {
		dst = append(strconv.AppendInt(dst, int64(p.Attachments), 10), '-')
	}
	if p.Namespace != Root {
		dst = append(append(dst, p.Namespace...), ',')
	}
	if p.ID != nil {
		dst = strconv.AppendUint(dst, *p.ID, 10)
	}
	return append(dst, p.Data...)
}

// Args returns the data of an event: its name and the arguments behind it, each
// as JSON.
func Args(name string, args ...json.RawMessage) json.RawMessage {
	// A string can always be encoded.
	first, _ := json.Marshal(name)
	return List(append([]json.RawMessage{first}, args...)...)
}

// List returns the data of an acknowledgement: its arguments, each as JSON.
func List(args ...json.RawMessage) json.RawMessage {
	data := []byte{'['}
	for i, arg := range args {
		if i > 0 {
			data = append(data, ',')
		}
		data = append(data, arg...)
	}
	return append(data, ']')
}

// Event returns an event's name and the arguments behind it. Data that is no
// event's is fault.Invalid, and so are the names that the client library keeps
// for itself. A number as a name is taken as its digits.
func (p Packet) Event() (name string, args []json.RawMessage, err error) {
	if err := json.Unmarshal(p.Data, &args); err != nil || len(args) == 0 {
		return "", nil, invalid("an event has no name")
	}
	switch first := args[0]; {
	case first[0] == '"':
		if err := json.Unmarshal(first, &name); err != nil {
			return "", nil, invalid("the name of an event is malformed")
		}
	case first[0] == '-' || isDigit(first[0]):
		name = string(first)
	default:
		return "", nil, invalid("the name of an event is no string")
	}
	if slices.Contains([]string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}, name) {
		return "", nil, invalid("an event has a reserved name")
	}
	return name, args[1:], nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func invalid(message string) error {
	return fault.New(fault.Invalid, "%s", message).On(fault.Caller)
}
