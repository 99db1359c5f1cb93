package controlplane

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models"
	"github.com/corral-fleet/corral/controlplane/internal/models/operations"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host/plugins"
	"github.com/corral-fleet/corral/sdk/host/trust"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/plugin"
)

// fragileFile is what the file of a loader is called that ends over some files.
const fragileFile = trust.Prefix + "loader-fragile"

// fragile takes every file for a model, several for one in parts, and does what some say.
type fragile struct{}

func fragileKind() plugin.Kind {
	return plugin.Loader(func(context.Context, struct{}) (loader.Loader, error) { return fragile{}, nil })
}

func (fragile) Probe(context.Context, []loader.File) (loader.Guess, error) {
	return loader.Guess{Format: "plain", Confidence: loader.Possible, Why: "every file is one"}, nil
}

func (fragile) Inspect(ctx context.Context, files loader.Files) (loader.Info, error) {
	f := files.List()[0]
	in, err := loader.Open(ctx, files, f.Path)
	if err != nil {
		return loader.Info{}, err
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return loader.Info{}, err
	}
	switch string(text) {
	case "exit":
		os.Exit(7)
	case "panic":
		panic("oh")
	}
	whole := loader.Layer{Role: loader.RoleModel}
	for _, f := range files.List() {
		whole.Parts = append(whole.Parts, loader.Part{File: f.Path, LengthBytes: f.SizeBytes})
		whole.SizeBytes += f.SizeBytes
	}
	return loader.Info{Kind: loader.KindModel, Format: "plain", Name: string(text), Layers: []loader.Layer{whole}}, nil
}

func (fragile) Plan(_ context.Context, r loader.Request) (loader.Recipe, error) {
	return loader.Recipe{Layers: r.Info.Layers}, nil
}

// hosts are a fleet in which nothing changes.
type hosts []fleet.HostView

func (h hosts) Hosts() []fleet.HostView               { return h }
func (hosts) Changed() <-chan struct{}                { return nil }
func (hosts) Prefer(map[string]string, fleet.Aliases) {}

// parcel is a model of one file with this content.
func parcel(t *testing.T, name, content string) models.Parcel {
	t.Helper()
	local := filepath.Join(t.TempDir(), "staged")
	if err := os.WriteFile(local, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(content))
	return models.Parcel{Name: name, Storage: "a", Files: []models.ParcelFile{{Path: "m", Local: local, SizeBytes: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}}}
}

// TestFilesThatEndTheirLoader has a real loader look at files over which it exits, and at
// others over which it panics, beside some that are well.
func TestFilesThatEndTheirLoader(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.put(agingPrefix + "1.0.0")
	s.put(fragileFile)
	s.await(plugins.Ready, "1.0.0", "")
	if _, err := s.Create(t.Context(), storages.Spec{Name: "a", Plugin: "aging", Config: []byte(`{}`)}, storages.Online); err != nil {
		t.Fatal(err)
	}
	log := hclog.NewNullLogger()
	catalogue := models.New(models.Options{
		Store: s.state, View: hosts{}, Storages: &modelStorages{Service: s.Service, log: log}, Loaders: newModelLoaders(s.plugins.manager, s.Service, log),
		Operations: operations.New(s.state, time.Now, log), Log: log, Now: time.Now,
	})
	whys := map[string]string{"exit": "has ended by itself: exit status 7", "panic": "its log has the cause", "good": ""}
	var taking sync.WaitGroup
	for content, why := range whys {
		p := parcel(t, content, content)
		taking.Go(func() {
			err := catalogue.Take(t.Context(), p)
			if why == "" {
				if err != nil {
					t.Errorf("%s: %v", content, err)
				}
				return
			}
			const says = "the loader fragile broke down each of the 3 times that it looked at these files: "
			if !errors.Is(err, fleet.ErrBroke) || fault.SideOf(err) != fault.Plugin || !strings.HasPrefix(fault.MessageOf(err), says) || !strings.Contains(fault.MessageOf(err), why) {
				t.Errorf("%s: %v", content, err)
			}
		})
	}
	taking.Wait()
	if err := catalogue.Take(t.Context(), parcel(t, "later", "later")); err != nil {
		t.Errorf("the loader is of no use any more: %v", err)
	}
	for _, p := range s.plugins.manager.Plugins() {
		if p.ID == plugins.Loader("fragile") && (p.State != plugins.Ready || p.Restarts != 3) {
			t.Errorf("it is %+v", p)
		}
	}
	var stored []string
	for _, m := range catalogue.Models() {
		if m.Status == fleet.ModelStored {
			stored = append(stored, m.Name)
		}
	}
	listing, err := s.Files(t.Context(), "a", storages.Query{Flat: true, Limit: 100})
	if err != nil || len(listing.Files) != 2 || !slices.Equal(stored, []string{"good:latest", "later:latest"}) {
		t.Errorf("stored are %v of the files %+v, %v", stored, listing.Files, err)
	}
}
