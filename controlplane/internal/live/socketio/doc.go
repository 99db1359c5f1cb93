// Package socketio is the codec of Socket.IO's protocol 5 over Engine.IO's
// protocol 4, as far as a server needs it that speaks WebSocket alone: no
// polling, no upgrades, no binary answers.
//
// It does no input or output. One WebSocket message is one Engine.IO packet: a
// text message starts with its type ([Engine]), and what follows [Message] is a
// Socket.IO packet ([Parse], [Packet.Append]); a binary message is an attachment
// of the packet before it ([Decoder]). All input comes from strangers: what the
// reference server takes as the end of a connection is a fault.Invalid here.
package socketio
