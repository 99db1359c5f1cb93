package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rclone/rclone/fs"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/servertest"
	"github.com/corral-fleet/corral/sdk/storage/storagetest"
)

func opened(t testing.TB, s settings) *remote {
	t.Helper()
	if err := config.Validate(&s, nil); err != nil {
		t.Fatal(err)
	}
	b, err := open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.(*remote).Close() })
	return b.(*remote)
}

// atS3 returns the settings of a folder of its own at a server.
func atS3(server *servertest.S3Server) settings {
	return settings{
		Type: "s3", Root: server.Bucket + "/" + rand.Text(),
		Options: map[string]string{"provider": "Other", "endpoint": server.Endpoint, "region": server.Region, "access_key_id": server.AccessKeyID, "no_check_bucket": "true"},
		Secrets: config.NewSecret("secret_access_key = " + server.SecretAccessKey + "\n"),
	}
}

func TestContractInADirectory(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Backend { return opened(t, settings{Type: "local", Root: t.TempDir()}) })
}

func TestContractInABucket(t *testing.T) {
	server := servertest.S3(t)
	storagetest.Run(t, func(t *testing.T) storage.Backend { return opened(t, atS3(server)) })
}

func TestALargeObjectIsWhole(t *testing.T) {
	b := opened(t, atS3(servertest.S3(t)))
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<20+1)
	for _, src := range []storage.Source{storage.Bytes(want), storage.Once(bytes.NewReader(want), -1)} {
		if err := b.Put(t.Context(), "k", src); err != nil {
			t.Fatal(err)
		}
		in, err := b.Get(t.Context(), "k", storage.Range{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(in)
		if err := errors.Join(err, in.Close()); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
}

func TestWhatADeadUploadLeftIsSwept(t *testing.T) {
	dir := t.TempDir()
	b := opened(t, settings{Type: "local", Root: dir})
	left := filepath.Join(dir, unfinished, "dead")
	if err := os.MkdirAll(filepath.Dir(left), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, err := range b.List(t.Context(), "") {
		t.Errorf("something is listed, %v", err)
	}
	if n, err := b.Sweep(t.Context(), time.Hour); n != 0 || err != nil {
		t.Errorf("too early: %d, %v", n, err)
	}
	if n, err := b.Sweep(t.Context(), 0); n != 1 || err != nil {
		t.Errorf("%d were swept, %v", n, err)
	}
}

// forestalled is a service at which somebody else always deletes an object first, and which
// says so in its own words.
type forestalled struct{ fs.Fs }

func (f forestalled) NewObject(ctx context.Context, key string) (fs.Object, error) {
	o, err := f.Fs.NewObject(ctx, key)
	if err != nil {
		return nil, err
	}
	return gone{o}, nil
}

type gone struct{ fs.Object }

func (g gone) Remove(ctx context.Context) error {
	return errors.Join(g.Object.Remove(ctx), errors.New("NoSuchKey"))
}

func TestWhatSomebodyElseHasJustDeletedIsDeleted(t *testing.T) {
	b := opened(t, settings{Type: "local", Root: t.TempDir()})
	if err := b.Put(t.Context(), "k", storage.Bytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	b.fs = forestalled{b.fs}
	if err := b.Delete(t.Context(), "k"); err != nil {
		t.Error(err)
	}
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	server := servertest.S3(t)
	b := opened(t, atS3(server))
	server.Kill()
	if err := b.Check(t.Context()); fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Service {
		t.Errorf("%v on %v: %v", fault.KindOf(err), fault.SideOf(err), err)
	}
}

func TestSettingsAreValidated(t *testing.T) {
	for field, s := range map[string]settings{
		"type":           {Type: "nothing"},
		"root":           {Type: "local"},
		"options":        {Type: "sftp", Options: map[string]string{"hots": "x"}},
		"secret_options": {Type: "sftp", Secrets: config.NewSecret("password")},
	} {
		err := config.Validate(&s, nil)
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}
