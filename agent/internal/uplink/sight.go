package uplink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"time"

	"github.com/corral-fleet/corral/sdk/wire"
)

// Sight is what can be seen of a control plane without saying who looks.
type Sight struct {
	Took        time.Duration     // to the challenge, the connection included
	Certificate *x509.Certificate // by which it proved itself; nil without TLS
	ClockOffset time.Duration     // our clock less the control plane's
	MinVersion  uint32            // of the agents' protocol, that it accepts
	MaxVersion  uint32
}

// Look connects to a control plane, verifies it as a session would, and hangs up
// before saying anything. The errors are those of dialling for a session.
func (u *Uplink) Look(ctx context.Context, server *url.URL) (Sight, error) {
	began := time.Now()
	ws, err := u.dial(ctx, server)
	if err != nil {
		return Sight{}, err
	}
	defer ws.Close()
	asked := time.Now() // the challenge was made about now
	if err := ws.SetReadDeadline(asked.Add(wire.HandshakeTimeout)); err != nil {
		return Sight{}, err
	}
	challenge, err := receiveChallenge(ws)
	if err != nil {
		return Sight{}, err
	}
	now := time.Now()
	seen := Sight{Took: now.Sub(began), MinVersion: challenge.MinVersion, MaxVersion: challenge.MaxVersion}
	if challenge.UnixMillis != 0 {
		seen.ClockOffset = asked.Add(now.Sub(asked) / 2).Sub(time.UnixMilli(challenge.UnixMillis))
	}
	if encrypted, ok := ws.NetConn().(*tls.Conn); ok {
		if chain := encrypted.ConnectionState().PeerCertificates; len(chain) > 0 {
			seen.Certificate = chain[0]
		}
	}
	return seen, nil
}
