package socketio

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// maxAttachments is how many attachments a packet may have, as in the reference
// server.
const maxAttachments = 10

// Parse reads the Socket.IO packet inside an Engine.IO message. Data aliases
// text. A packet that the protocol does not know is fault.Invalid.
func Parse(text []byte) (Packet, error) {
	if len(text) == 0 || text[0] < '0' || text[0] > '0'+byte(BinaryAck) {
		return Packet{}, invalid("a packet is of an unknown type")
	}
	p := Packet{Type: Type(text[0] - '0'), Namespace: Root}
	rest := text[1:]
	var err error
	if p.Type.binary() {
		if p.Attachments, rest, err = parseAttachments(rest); err != nil {
			return Packet{}, err
		}
	}
	if len(rest) > 0 && rest[0] == '/' {
		namespace, after, _ := bytes.Cut(rest, []byte{','})
		p.Namespace, rest = string(namespace), after
	}
	if p.ID, rest, err = parseID(rest); err != nil {
		return Packet{}, err
	}
	if len(rest) > 0 {
		p.Data = rest
	}
	return p, p.check()
}

func parseAttachments(text []byte) (count int, rest []byte, err error) {
	digits, rest, ok := bytes.Cut(text, []byte{'-'})
	if !ok || len(digits) == 0 || len(digits) > 2 || strings.Trim(string(digits), "0123456789") != "" {
		return 0, nil, invalid("a binary packet does not say how many attachments it has")
	}
	count, _ = strconv.Atoi(string(digits)) // two digits at most
	if count < 1 || count > maxAttachments {
		return 0, nil, invalid("a binary packet has no attachments or too many")
	}
	return count, rest, nil
}

func parseID(text []byte) (id *uint64, rest []byte, err error) {
	n := 0
	for n < len(text) && isDigit(text[n]) {
		n++
	}
	if n == 0 {
		return nil, text, nil
	}
	number, err := strconv.ParseUint(string(text[:n]), 10, 64)
	if err != nil {
		return nil, nil, invalid("the number of an acknowledgement is too large")
	}
	return &number, text[n:], nil
}

// check refuses data that does not belong to the packet's type.
func (p Packet) check() error {
	if len(p.Data) > 0 && !json.Valid(p.Data) {
		return invalid("the data of a packet is no JSON")
	}
	first := byte(0)
	if trimmed := bytes.TrimLeft(p.Data, " \t\r\n"); len(trimmed) > 0 {
		first = trimmed[0]
	}
	ok := false
	switch p.Type {
	case Connect:
		ok = first == 0 || first == '{'
	case Disconnect:
		ok = first == 0
	case ConnectError:
		ok = first == 0 || first == '{' || first == '"'
	case Ack, BinaryAck:
		ok = first == '['
	case Event, BinaryEvent:
		_, _, err := p.Event()
		return err
	}
	if !ok {
		return invalid("the data of a packet does not belong to its type")
	}
	return nil
}
