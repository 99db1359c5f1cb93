package uplink

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
	"github.com/corral-fleet/corral/sdk/wire/nowait"
)

const dialTimeout = 10 * time.Second

// dial opens the WebSocket to one control plane.
func (u *Uplink) dial(ctx context.Context, server *url.URL) (*websocket.Conn, error) {
	target := *server
	switch target.Scheme {
	case "http":
		target.Scheme = "ws"
	case "https":
		target.Scheme = "wss"
	}
	if target.Scheme == "ws" && !u.Insecure && !loopback(target.Hostname()) {
		return nil, fault.New(fault.Invalid, "%s is neither TLS nor on this machine; use https, or --insecure where the network is trusted", server)
	}
	target.Path = strings.TrimSuffix(target.Path, "/") + wire.LinkPath
	tlsConfig, err := u.trust(server)
	if err != nil {
		return nil, err
	}
	dialer := websocket.Dialer{
		NetDialContext:   dialTCP,
		Proxy:            http.ProxyFromEnvironment,
		TLSClientConfig:  tlsConfig,
		HandshakeTimeout: dialTimeout,
		Subprotocols:     []string{wire.Subprotocol},
		ReadBufferSize:   4 << 10,
		WriteBufferSize:  4 << 10,
	}
	ws, res, err := dialer.DialContext(ctx, target.String(), nil)
	if err != nil {
		return nil, dialError(server, res, err)
	}
	if ws.Subprotocol() != wire.Subprotocol {
		return nil, errors.Join(fault.New(fault.Unavailable, "%s answers, but is no corral control plane", server), ws.Close())
	}
	return ws, nil
}

// dialTCP connects to a control plane, or to the proxy before it.
func dialTCP(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return nowait.Wrap(conn), nil
}

func dialError(server *url.URL, res *http.Response, err error) error {
	if res == nil {
		return fault.Wrap(fault.Unavailable, err, "the control plane at %s could not be reached", server)
	}
	said, readErr := io.ReadAll(io.LimitReader(res.Body, 200))
	return fault.Wrap(fault.Unavailable, errors.Join(err, readErr), "the control plane at %s refused the connection with status %d: %s", server, res.StatusCode, strings.TrimSpace(string(said)))
}

// loopback reports whether a host is this machine whatever any resolver says.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
