package api

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models/fit"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
	"github.com/corral-fleet/corral/sdk/loader"
)

func TestWhetherAModelFits(t *testing.T) {
	f := start(t, relaytest.NoModels)
	info, err := json.Marshal(loader.Info{Kind: loader.KindModel, Architecture: "llama", Geometry: map[loader.Role][]byte{
		loader.RoleModel: gguftest.Llama31of8B().Read().Condense(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.db.SaveModel(t.Context(), fleet.StoredModel{Name: "big:8b", Loader: "gguf", Info: info, CreatedAt: noon(), ChangedAt: noon()}); err != nil {
		t.Fatal(err)
	}
	if err := f.models.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask := func(query string) (fits []fit.Fit) {
		t.Helper()
		got := f.Do(edge.Read, "GET", "/api/models/big:8b/fit"+query, "")
		if got.Status != 200 {
			t.Fatalf("%d %s", got.Status, got.Body)
		}
		if err := json.Unmarshal([]byte(got.Body), &fits); err != nil {
			t.Fatal(err)
		}
		return fits
	}
	all := ask("")
	if len(all) != 2 || all[0].Host != "alpha" || all[1].Host != "beta" || all[1].Verdict != fit.Unknown || !strings.Contains(all[1].Reason, "the host is away") {
		t.Errorf("%+v", all)
	}
	some := ask("?context=8192&parallel=2&hosts=beta")
	if len(some) != 1 || some[0].HostID != "h2" || some[0].ContextTokens != 8192 || some[0].Parallel != 2 || some[0].CacheBytes != 2*8192*128<<10 {
		t.Errorf("%+v", some)
	}
	some = ask("?context=8192&parallel=2&hosts=beta&cache_type=q8_0")
	if len(some) != 1 || some[0].CacheType != "q8_0" || some[0].CacheBytes != 2*8192*68<<10 { // 34 bytes for 32 elements
		t.Errorf("%+v", some)
	}
	if got := f.Do(edge.Read, "GET", "/api/models/big:8b/fit?cache_type=q5_1", ""); got.Status != 400 || !strings.Contains(got.Body, "cache_type") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if got := f.Do(edge.Read, "GET", "/api/models/big:8b/fit?hosts=nowhere", ""); got.Status != 404 || !strings.Contains(got.Body, "there is no host") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}
