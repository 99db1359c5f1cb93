package uplink

import (
	"crypto/tls"
	"net/url"

	"github.com/corral-fleet/corral/agent/internal/trust"
	"github.com/corral-fleet/corral/sdk/wire"
)

// trust returns how the control plane is verified: by the authority that the
// agent pinned when it joined, or before by the fingerprint in its token; and,
// where there is a file of authorities, by those as well.
func (u *Uplink) trust(server *url.URL) (*tls.Config, error) {
	own, err := u.ownAuthority()
	if err != nil {
		return nil, err
	}
	named, err := trust.Named(u.ServerCAFile, server.Hostname())
	if err != nil {
		return nil, err
	}
	return trust.Config(server, own, named), nil
}

// ownAuthority returns what accepts the control plane's own authority, and nil
// where nothing is known of it.
func (u *Uplink) ownAuthority() (trust.Verifier, error) {
	if joined := u.Identity.Membership(); len(joined.CACertificates) > 0 {
		return trust.Pinned(joined.CACertificates)
	}
	token, err := wire.ParseJoinToken(u.Token)
	if err != nil || u.Identity.Joined() {
		return nil, nil //nolint:nilerr // a token is not needed where the certificate is trusted otherwise
	}
	return trust.ByToken(token), nil
}
