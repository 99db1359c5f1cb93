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
func settingsFor(server *servertest.GCSServer) settings {
	var s settings
	s.SetDefaults()
	s.Endpoint, s.Bucket, s.Prefix, s.Anonymous = server.Endpoint, server.Bucket, rand.Text()+"/", true
	s.PartSize, s.Transfers = leastPart, 3
	return s
}

func opened(t testing.TB, s settings) *bucket {
	t.Helper()
	if err := config.Validate(&s, nil); err != nil {
		t.Fatal(err)
	}
	b, err := open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.(*bucket).Close() })
	return b.(*bucket)
}

func TestContract(t *testing.T) {
	server := servertest.GCS(t)
	storagetest.Run(t, func(t *testing.T) storage.Backend { return opened(t, settingsFor(server)) })
}
