package socketio

import (
	"bytes"
	"encoding/base64"
	"encoding/json"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Decoder puts packets together with their attachments. It belongs to one
// connection and one goroutine. After an error it is of no more use.
type Decoder struct {
	// MaxBytes limits the attachments of one packet together.
	MaxBytes int

	waiting Packet // for attachments, while its count of them is not 0
	parts   [][]byte
	bytes   int
}

// Text takes the packet inside an Engine.IO message. The packet is complete
// unless attachments are still to come, of which ok tells.
func (d *Decoder) Text(text []byte) (p Packet, ok bool, err error) {
	if d.waiting.Attachments > 0 {
		return Packet{}, false, invalid("a packet came between another one and its attachments")
	}
	p, err = Parse(text)
	if err != nil {
		return Packet{}, false, err
	}
	if p.Attachments > 0 {
		d.waiting = p
		return Packet{}, false, nil
	}
	return p, true, nil
}

// Binary takes a binary message. With the last attachment of a packet it returns
// the packet, of the type without attachments and with each of them as a base64
// string in its place.
func (d *Decoder) Binary(data []byte) (p Packet, ok bool, err error) {
	if d.waiting.Attachments == 0 {
		return Packet{}, false, invalid("an attachment came without its packet")
	}
	if d.bytes += len(data); d.bytes > d.MaxBytes {
		return Packet{}, false, fault.New(fault.TooLarge, "the attachments of a packet are over %d bytes", d.MaxBytes).On(fault.Caller)
	}
	if d.parts = append(d.parts, data); len(d.parts) < d.waiting.Attachments {
		return Packet{}, false, nil
	}
	p = d.waiting
	p.Data, err = insert(p.Data, d.parts)
	p.Attachments = 0
	p.Type -= BinaryEvent - Event
	d.waiting, d.parts, d.bytes = Packet{}, nil, 0
	return p, err == nil, err
}

// insert puts attachments where data has placeholders.
func insert(data json.RawMessage, parts [][]byte) (json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return nil, invalid("the data of a packet is no JSON")
	}
	i := inserter{parts: parts, used: make([]bool, len(parts))}
	tree = i.insert(tree)
	if i.strange {
		return nil, invalid("a packet has a placeholder without an attachment of its own")
	}
	whole, err := json.Marshal(tree)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "")
	}
	return whole, nil
}

// inserter walks over data. Each attachment has one place: a small packet that
// names a large one many times would become a huge one.
type inserter struct {
	parts   [][]byte
	used    []bool
	strange bool
}

func (i *inserter) insert(v any) any {
	switch v := v.(type) {
	case []any:
		for n := range v {
			v[n] = i.insert(v[n])
		}
	case map[string]any:
		if v["_placeholder"] == true {
			return i.attachment(v["num"])
		}
		for key := range v {
			v[key] = i.insert(v[key])
		}
	}
	return v
}

func (i *inserter) attachment(num any) any {
	number, _ := num.(json.Number)
	n, err := number.Int64()
	if err != nil || n < 0 || n >= int64(len(i.parts)) || i.used[n] {
		i.strange = true
		return nil
	}
	i.used[n] = true
	return base64.StdEncoding.EncodeToString(i.parts[n])
}
