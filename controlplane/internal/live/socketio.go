package live

import (
	"context"
	"crypto/rand"
	"sync"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/live/socketio"
	"github.com/corral-fleet/corral/sdk/fault"
)

// ioConn is a connection of Socket.IO's client, which joins one namespace, stays
// there, and leaves by ending the connection.
type ioConn struct {
	live    *Live
	request *edge.Request
	socket  *edge.Socket
	decoder socketio.Decoder
	beat    *heartbeat
}

// serveSocketIO speaks Socket.IO. As with the reference server, what the
// protocol does not know, or not there, ends the connection.
func (l *Live) serveSocketIO(ctx context.Context, r *edge.Request, s *edge.Socket) error {
	if r.Query.Get("EIO") != "4" {
		return fault.New(fault.Invalid, "this server speaks Engine.IO 4, the protocol of Socket.IO 3 and later").On(fault.Caller)
	}
	if r.Caller.ByTicket {
		// A client that reconnects by itself would come again with a ticket that
		// is spent.
		return fault.New(fault.Unauthenticated, "a ticket is for raw WebSockets; with Socket.IO send a key as auth.token").On(fault.Caller)
	}
	if r.Query.Has("sid") {
		return fault.New(fault.Invalid, "there are no sessions of another transport to go on with").On(fault.Caller)
	}
	hello := socketio.Handshake{
		SID: rand.Text(), PingInterval: l.pace.ping, PingTimeout: l.pace.pong, MaxPayloadBytes: maxMessageBytes,
	}
	if err := s.Send(edge.TextMessage(hello.Append(nil))); err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	c := &ioConn{
		live: l, request: r, socket: s,
		decoder: socketio.Decoder{MaxBytes: maxMessageBytes},
		beat:    newHeartbeat(),
	}
	var beating sync.WaitGroup
	beating.Go(func() { c.beat.run(ctx, s, l.pace) })
	defer beating.Wait()
	defer end()
	return c.converse(ctx)
}

// converse reads until the connection ends.
func (c *ioConn) converse(ctx context.Context) error {
	namespace, caller, err := c.join(ctx)
	if err != nil || namespace == "" {
		return err
	}
	c.beat.joined()
	n, ctx := c.live.open(ctx, c.socket, ioFraming{namespace}, caller, caller.Gone)
	defer n.close()
	for {
		p, left, err := c.receive()
		switch {
		case err != nil || left:
			return err
		case p.Namespace != namespace:
			return fault.New(fault.Invalid, "a packet is for a namespace that was not joined").On(fault.Caller)
		case p.Type == socketio.Disconnect:
			return nil
		case p.Type == socketio.Ack || ctx.Err() != nil:
			// Nothing was asked, or the socket is being closed.
		case p.Type != socketio.Event:
			return fault.New(fault.Invalid, "a packet is not for a server, or comes twice").On(fault.Caller)
		default:
			if err := n.handlePacket(ctx, p); err != nil {
				return err
			}
		}
	}
}

// handlePacket does what an event asks for.
func (s *session) handlePacket(ctx context.Context, p socketio.Packet) error {
	name, args, err := p.Event()
	if err != nil {
		return err
	}
	asked := request{event: name, ack: p.ID}
	if len(args) > 0 {
		asked.data = present(args[0])
	}
	s.handle(ctx, asked)
	return nil
}

// receive returns the next Socket.IO packet, or that the client has left.
func (c *ioConn) receive() (p socketio.Packet, left bool, err error) {
	for complete := false; !complete && err == nil; {
		data, binary, failed := c.socket.Receive()
		if failed != nil {
			return p, false, failed
		}
		if binary {
			p, complete, err = c.decoder.Binary(data)
			continue
		}
		kind, rest, malformed := socketio.ParseEngine(data)
		switch {
		case malformed != nil:
			return p, false, malformed
		case kind == socketio.Message:
			p, complete, err = c.decoder.Text(rest)
		case kind == socketio.Pong:
			c.beat.heard()
		case kind == socketio.Ping:
			err = fault.New(fault.Invalid, "pings come from the server").On(fault.Caller)
		case kind == socketio.Close:
			return p, true, nil
		}
	}
	return p, false, err
}
