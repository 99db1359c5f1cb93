package socketio

import (
	"encoding/json"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Engine is the type of an Engine.IO packet: the first byte of a text message.
type Engine byte

// The types of Engine.IO packets.
const (
	Open    Engine = '0' // of the server, at once
	Close   Engine = '1'
	Ping    Engine = '2' // of the server alone
	Pong    Engine = '3'
	Message Engine = '4' // a Socket.IO packet follows
	Upgrade Engine = '5'
	Noop    Engine = '6'
)

// ParseEngine splits a text message into its type and what follows. A message
// without a type is fault.Invalid.
func ParseEngine(text []byte) (Engine, []byte, error) {
	if len(text) == 0 || text[0] < byte(Open) || text[0] > byte(Noop) {
		return 0, nil, fault.New(fault.Invalid, "a message is no Engine.IO packet").On(fault.Caller)
	}
	return Engine(text[0]), text[1:], nil
}

// Handshake is what a server says first.
type Handshake struct {
	SID             string        // names the connection
	PingInterval    time.Duration // from a pong to the next ping
	PingTimeout     time.Duration // from a ping to its pong
	MaxPayloadBytes int           // of one message
}

// Append appends the handshake as an Engine.IO packet.
func (h Handshake) Append(dst []byte) []byte {
	// A struct of strings and numbers can always be encoded.
	body, _ := json.Marshal(struct {
		SID          string   `json:"sid"`
		Upgrades     []string `json:"upgrades"`
		PingInterval int64    `json:"pingInterval"`
		PingTimeout  int64    `json:"pingTimeout"`
		MaxPayload   int      `json:"maxPayload"`
	}{h.SID, []string{}, h.PingInterval.Milliseconds(), h.PingTimeout.Milliseconds(), h.MaxPayloadBytes})
	return append(append(dst, byte(Open)), body...)
}
