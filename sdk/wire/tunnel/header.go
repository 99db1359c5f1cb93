package tunnel

import (
	"encoding/binary"
	"fmt"
)

// The frames of yamux's specification, version 0: a header of twelve bytes,
// which a data frame's body follows.
const (
	headerSize    = 12
	initialWindow = 256 << 10 // of a stream that nobody has granted more yet, in bytes

	version = 0
)

type frameKind uint8

const (
	dataFrame   frameKind = 0
	windowFrame frameKind = 1
	pingFrame   frameKind = 2
	goAwayFrame frameKind = 3
)

type frameFlags uint16

const (
	flagOpen   frameFlags = 1 << iota // SYN
	flagAccept                        // ACK
	flagFinish                        // FIN
	flagReset                         // RST
)

// header is what stands before each frame. number is a body's length, a
// window's growth in bytes, a ping's value or a reason to go.
type header struct {
	kind   frameKind
	flags  frameFlags
	stream uint32 // 0 is the session itself
	number uint32
}

func (h header) append(out []byte) []byte {
	out = append(out, version, byte(h.kind))
	out = binary.BigEndian.AppendUint16(out, uint16(h.flags))
	out = binary.BigEndian.AppendUint32(out, h.stream)
	return binary.BigEndian.AppendUint32(out, h.number)
}

func parseHeader(raw *[headerSize]byte) (header, error) {
	h := header{
		kind:   frameKind(raw[1]),
		flags:  frameFlags(binary.BigEndian.Uint16(raw[2:])),
		stream: binary.BigEndian.Uint32(raw[4:]),
		number: binary.BigEndian.Uint32(raw[8:]),
	}
	if raw[0] != version || h.kind > goAwayFrame {
		return h, fmt.Errorf("tunnel: the peer sent a frame of version %d and kind %d", raw[0], h.kind)
	}
	return h, nil
}
