// Package seam has what both sides of a plugin's process know of each other before
// they talk: the handshake, and what is served.
package seam

import (
	"context"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// Protocol is the version that both sides speak. 1: the first.
const Protocol = 1

// Name is what the one thing is called that a plugin serves to go-plugin.
const Name = "corral"

// Handshake returns what keeps a plugin from being taken for a program that people
// start. It stays for ever.
func Handshake() goplugin.HandshakeConfig {
	return goplugin.HandshakeConfig{ProtocolVersion: Protocol, MagicCookieKey: CookieKey, MagicCookieValue: CookieValue}
}

// The cookie, which is no secret.
const (
	CookieKey   = "CORRAL_PLUGIN"
	CookieValue = "5f1c2a7e-corral-plugin"
)

// Seam is a plugin to go-plugin. Register is of the serving side alone.
type Seam struct {
	goplugin.NetRPCUnsupportedPlugin
	Register func(grpc.ServiceRegistrar)
}

var _ goplugin.GRPCPlugin = Seam{}

// GRPCServer implements [goplugin.GRPCPlugin].
func (s Seam) GRPCServer(_ *goplugin.GRPCBroker, server *grpc.Server) error {
	s.Register(server)
	return nil
}

// GRPCClient implements [goplugin.GRPCPlugin]; what it returns is the connection.
func (Seam) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}

// Plugins are the versions that there are.
func Plugins(s Seam) map[int]goplugin.PluginSet {
	return map[int]goplugin.PluginSet{Protocol: {Name: s}}
}
