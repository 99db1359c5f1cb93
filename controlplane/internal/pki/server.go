package pki

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

const (
	// renewInterval is how often the server certificate's age is looked at.
	renewInterval = time.Hour
	// renewBefore leaves months to notice that renewing fails.
	renewBefore = serverLife / 3
)

// Run renews the server certificate when its end is near, until ctx ends,
// which is not an error.
func (a *Authority) Run(ctx context.Context) error {
	ticker := time.NewTicker(renewInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := a.renew(); err != nil {
			a.logger.Warn("server certificate could not be renewed", "error", err, "ends_at", a.server.Load().Leaf.NotAfter)
		}
	}
}

// renew replaces a server certificate whose end is near.
func (a *Authority) renew() error {
	if !a.isDue(a.server.Load().Leaf) {
		return nil
	}
	return a.makeServer()
}

// isDue also holds for a certificate from the future, which a clock that was
// wrong has left behind.
func (a *Authority) isDue(server *x509.Certificate) bool {
	now := a.now()
	return now.After(server.NotAfter.Add(-renewBefore)) || now.Before(server.NotBefore)
}

// loadServer reads the server certificate. One that another authority signed,
// as after a restore of half a backup, is an error: agents would refuse it.
func (a *Authority) loadServer() error {
	server, err := readIdentity(a.path(serverFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return a.makeServer()
	case err != nil:
		return fmt.Errorf("load server certificate: %w", err)
	}
	if err := server.certificate.CheckSignatureFrom(a.ca.certificate); err != nil {
		return fault.Wrap(fault.Corrupt, err, "%s was not signed by %s; restore both from one backup, or remove %s to get a new one",
			a.path(serverFile), a.path(authorityFile), a.path(serverFile))
	}
	if a.isDue(server.certificate) || server.certificate.VerifyHostname(wire.ServerName) != nil {
		return a.makeServer()
	}
	a.use(server)
	return nil
}

// makeServer makes a new server certificate and stores it. Two processes that
// do so at once both make one that agents take; the last one's stays.
func (a *Authority) makeServer() error {
	server, err := newServer(a.ca, a.now())
	if err != nil {
		return fmt.Errorf("make server certificate: %w", err)
	}
	if err := replaceFile(a.path(serverFile), server.encode()); err != nil {
		return fmt.Errorf("store server certificate: %w", err)
	}
	a.use(server)
	a.logger.Info("made a server certificate", "ends_at", server.certificate.NotAfter)
	return nil
}

func (a *Authority) use(server identity) {
	a.server.Store(&tls.Certificate{
		Certificate: [][]byte{server.certificate.Raw, a.ca.certificate.Raw},
		PrivateKey:  server.key,
		Leaf:        server.certificate,
	})
}
