package live

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/sdk/fault"
)

// serveRaw speaks the raw dialect: {"event", "data", "id"} from the client,
// {"type", "data", "id"} to it.
func (l *Live) serveRaw(ctx context.Context, r *edge.Request, s *edge.Socket) error {
	if err := mayListen(r.Caller); err != nil {
		// A browser's page sees no status and no header: a frame has to tell it.
		data, _ := encode(failureOf("", err)) // strings alone
		_ = s.Send(edge.TextMessage(rawFraming{}.event("error", data, request{})))
		return err
	}
	n, ctx := l.open(ctx, s, rawFraming{}, r.Caller, nil)
	defer n.close()
	for {
		data, binary, err := s.Receive()
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			continue // the socket is being closed
		}
		asked, err := parseRaw(data, binary)
		if err != nil {
			n.fail(asked, err)
			continue
		}
		n.handle(ctx, asked)
	}
}

// mayListen refuses whoever has not proved that it may see the fleet.
func mayListen(c edge.Caller) error {
	if c.May >= edge.Read {
		return nil
	}
	if c.Anonymous {
		return fault.New(fault.Unauthenticated, "this needs a key: in a header, in the URL, or with Socket.IO as auth.token").On(fault.Caller)
	}
	return fault.New(fault.Forbidden, "this key may not look at the fleet").On(fault.Caller)
}

// parseRaw reads a client's frame. A broken one is fault.Invalid; what could be
// read of it is returned all the same.
func parseRaw(frame []byte, binary bool) (request, error) {
	if binary {
		return request{}, fault.New(fault.Invalid, "events are sent as text").On(fault.Caller)
	}
	var parsed struct {
		Event *string         `json:"event"`
		Data  json.RawMessage `json:"data"`
		ID    json.RawMessage `json:"id"`
	}
	err := json.Unmarshal(frame, &parsed)
	r := request{data: present(parsed.Data), id: present(parsed.ID)}
	switch {
	case err != nil:
		r.data = nil
		return r, fault.Wrap(fault.Invalid, err, `a frame is an object {"event": "…", "data": …}`).On(fault.Caller)
	case parsed.Event == nil || *parsed.Event == "":
		return r, fault.New(fault.Invalid, `the field "event" is missing or empty`).On(fault.Caller)
	}
	r.event = *parsed.Event
	return r, nil
}

// present returns nil for null, which stands for nothing.
func present(data json.RawMessage) json.RawMessage {
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	return data
}
