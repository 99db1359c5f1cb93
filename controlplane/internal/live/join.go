package live

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/live/socketio"
	"github.com/corral-fleet/corral/sdk/fault"
)

// join waits until the client asks for a namespace that it may have, and returns
// it with who the client is. A client that was refused may try again. The
// namespace is empty when the client has left.
func (c *ioConn) join(ctx context.Context) (namespace string, caller edge.Caller, err error) {
	for {
		p, left, err := c.receive()
		if err != nil || left {
			return "", edge.Caller{}, err
		}
		if p.Type != socketio.Connect {
			return "", edge.Caller{}, fault.New(fault.Invalid, "a packet came before a namespace was joined").On(fault.Caller)
		}
		caller, err := c.live.authorise(ctx, c.request, p)
		if err == nil {
			data, _ := json.Marshal(map[string]string{"sid": rand.Text()}) // strings alone
			return p.Namespace, caller, c.send(socketio.Connect, p.Namespace, data)
		}
		if err := c.refuse(p.Namespace, err); err != nil {
			return "", edge.Caller{}, err
		}
	}
}

func (c *ioConn) send(kind socketio.Type, namespace string, data json.RawMessage) error {
	return c.socket.Send(edge.TextMessage(socketio.Packet{Type: kind, Namespace: namespace, Data: data}.Append(nil)))
}

// refuse answers with connect_error; the client sees its message and its data.
func (c *ioConn) refuse(namespace string, cause error) error {
	if fault.KindOf(cause) == fault.Internal {
		c.live.log.Error("caller could not be identified", "error", cause)
	}
	data, _ := encode(struct { // strings alone
		Message string  `json:"message"`
		Data    failure `json:"data"`
	}{fault.MessageOf(cause), failureOf("", cause)})
	return c.send(socketio.ConnectError, namespace, data)
}

// authorise returns who asks for a namespace: by auth.token, by a key in the
// namespace, else by what the upgrade proved.
func (l *Live) authorise(ctx context.Context, r *edge.Request, p socketio.Packet) (edge.Caller, error) {
	key, err := namespaceKey(p.Namespace)
	if err != nil {
		return edge.Caller{}, err
	}
	var auth struct {
		Token string `json:"token"`
	}
	if err := decodeData(present(p.Data), &auth); err != nil {
		return edge.Caller{}, err
	}
	caller := r.Caller
	if auth.Token != "" || key != "" {
		shown, err := l.auth.Authenticate(ctx, edge.Credentials{Bearer: auth.Token, URLKey: key, RemoteIP: r.RemoteIP})
		if err != nil {
			return edge.Caller{}, err
		}
		// Who is let in without a key was decided at the upgrade, where a
		// browser had to say which page it is.
		if !shown.Anonymous {
			caller = shown
		}
	}
	return caller, mayListen(caller)
}

// namespaceKey returns the key in a namespace, or "" for the root. There are no
// others.
func namespaceKey(namespace string) (string, error) {
	if namespace == socketio.Root {
		return "", nil
	}
	key, ok := strings.CutPrefix(strings.TrimSuffix(namespace, "/"), "/k/")
	if !ok || key == "" || strings.Contains(key, "/") {
		return "", fault.New(fault.NotFound, "Invalid namespace").On(fault.Caller) // the reference's words
	}
	return key, nil
}
