package uplink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
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
	tlsConfig, err := u.trust()
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

// trust returns how the control plane is verified: by the authority that the
// agent pinned when it joined; before, by the fingerprint in its token. Where
// there is neither, nothing but a certificate that is trusted publicly will do,
// for the name by which the control plane is reached.
func (u *Uplink) trust() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if joined := u.Identity.Membership(); len(joined.CACertificates) > 0 {
		config.ServerName, config.RootCAs = wire.ServerName, x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(joined.CACertificates) {
			return nil, errors.New("the pinned certificate authority cannot be read")
		}
		return config, nil
	}
	token, err := wire.ParseJoinToken(u.Token)
	if err != nil || u.Identity.Joined() {
		return config, nil //nolint:nilerr // a token is not needed where the certificate is trusted publicly
	}
	config.ServerName = wire.ServerName
	config.InsecureSkipVerify = true // the standard check knows no fingerprints; VerifyConnection does it all
	config.VerifyConnection = func(state tls.ConnectionState) error { return verifyByToken(token, state) }
	return config, nil
}

// verifyByToken accepts a chain that ends at the authority whose fingerprint
// the token carries.
func verifyByToken(token wire.JoinToken, state tls.ConnectionState) error {
	chain := x509.NewCertPool()
	for _, cert := range state.PeerCertificates {
		if cert.IsCA && token.Names(cert) {
			roots := x509.NewCertPool()
			roots.AddCert(cert)
			_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: wire.ServerName, Roots: roots, Intermediates: chain})
			if err != nil {
				return fmt.Errorf("verify the control plane: %w", err)
			}
			return nil
		}
		chain.AddCert(cert)
	}
	return fault.New(fault.Unauthenticated, "the server there is not the control plane that made this token")
}
