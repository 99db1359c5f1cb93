package main

import (
	"crypto/rand"
	"testing"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/servertest"
	"github.com/corral-fleet/corral/sdk/storage/storagetest"
)

// settingsFor returns those of a prefix of its own at a server.
func settingsFor(server *servertest.AzureServer) settings {
	var s settings
	s.SetDefaults()
	s.Endpoint, s.Account, s.Container, s.Prefix = server.Endpoint, server.Account, server.Container, rand.Text()+"/"
	s.AccountKey = config.NewSecret(server.Key)
	s.PartSize, s.Transfers = leastPart, 3
	return s
}

func opened(t testing.TB, s settings) *blobs {
	t.Helper()
	if err := config.Validate(&s, nil); err != nil {
		t.Fatal(err)
	}
	b, err := open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.(*blobs).Close() })
	return b.(*blobs)
}

func TestContract(t *testing.T) {
	server := servertest.Azure(t)
	storagetest.Run(t, func(t *testing.T) storage.Backend { return opened(t, settingsFor(server)) })
}
