package fleettest

import (
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

func catalogueSentences() []sentence {
	model := func(name string) fleet.StoredModel {
		return fleet.StoredModel{
			Name: name, Description: "for tests", Loader: "gguf", Info: []byte(`{"format":"gguf"}`), Quantize: "q4_K_M", Options: []byte(`{"system":"Be short."}`), Digest: "abc", OtherDigests: []string{"abd", "abe"},
			Files:  []fleet.ModelFile{{Path: "m.gguf", Storage: "default", Key: "models/m", SizeBytes: 1 << 40, SHA256: "def"}},
			Pinned: true, Labels: map[string]string{"team": "red"}, Aliases: []string{"Prod:latest"}, Problem: "none", Everywhere: true,
			DeletedAt: noon().Add(time.Minute), PurgeAt: noon().Add(time.Hour), CreatedAt: noon(), ChangedAt: noon(),
		}
	}
	placed := func(model, host string) fleet.Placement {
		return fleet.Placement{Model: model, HostID: host, Instance: "default", Wanted: true, Cached: true, Digest: "abc", Since: noon()}
	}
	return []sentence{
		{"Every field comes back, by name", func(t *testing.T, s Stores) {
			b, a := model("B:latest"), fleet.StoredModel{Name: "a:latest", CreatedAt: noon(), ChangedAt: noon()}
			must(t, s.Catalogue.SaveModel(t.Context(), b))
			must(t, s.Catalogue.SaveModel(t.Context(), a))
			wantEqual(t, got(s.Catalogue.StoredModels(t.Context()))(t), []fleet.StoredModel{a, b})
		}},
		{"Saving replaces all but when it was made, whatever case its name has", func(t *testing.T, s Stores) {
			must(t, s.Catalogue.SaveModel(t.Context(), model("m:latest")))
			want := fleet.StoredModel{Name: "M:latest", CreatedAt: noon().Add(time.Hour), ChangedAt: noon().Add(time.Hour)}
			must(t, s.Catalogue.SaveModel(t.Context(), want))
			want.CreatedAt = noon()
			wantEqual(t, got(s.Catalogue.StoredModels(t.Context()))(t), []fleet.StoredModel{want})
		}},
		{"Several are saved at once", func(t *testing.T, s Stores) {
			a, b := model("a:latest"), model("b:latest")
			a.Aliases = nil
			must(t, s.Catalogue.SaveModel(t.Context(), a, b))
			wantEqual(t, got(s.Catalogue.StoredModels(t.Context()))(t), []fleet.StoredModel{a, b})
		}},
		{"A model that is removed is gone with its placements", func(t *testing.T, s Stores) {
			must(t, s.Catalogue.SaveModel(t.Context(), model("m:latest")))
			must(t, s.Catalogue.Place(t.Context(), []fleet.Placement{placed("m:latest", "h1"), placed("other:latest", "h1")}))
			must(t, s.Catalogue.RemoveModel(t.Context(), "M"))
			wantEqual(t, len(got(s.Catalogue.StoredModels(t.Context()))(t)), 0)
			wantEqual(t, got(s.Catalogue.Placements(t.Context()))(t), []fleet.Placement{placed("other:latest", "h1")})
			wantKind(t, s.Catalogue.RemoveModel(t.Context(), "m"), fault.NotFound)
		}},
		{"A placement is replaced by one of the same model and instance", func(t *testing.T, s Stores) {
			must(t, s.Catalogue.Place(t.Context(), []fleet.Placement{placed("m:latest", "h2"), placed("m:latest", "h1")}))
			gone := placed("m:latest", "h1")
			gone.Wanted, gone.Since = false, noon().Add(time.Hour)
			must(t, s.Catalogue.Place(t.Context(), []fleet.Placement{gone}))
			wantEqual(t, got(s.Catalogue.Placements(t.Context()))(t), []fleet.Placement{gone, placed("m:latest", "h2")})
			must(t, s.Catalogue.Unplace(t.Context(), []fleet.Placement{gone, placed("m:latest", "h9")}))
			wantEqual(t, got(s.Catalogue.Placements(t.Context()))(t), []fleet.Placement{placed("m:latest", "h2")})
		}},
	}
}

func operationSentences() []sentence {
	operation := func(id string, minute int) fleet.Operation {
		at := noon().Add(time.Duration(minute) * time.Minute)
		return fleet.Operation{
			ID: id, Kind: fleet.DownloadOperation, Model: "m:latest", ModelID: "m_1", HostID: "h1", Host: "one", State: fleet.OperationRunning,
			Reason: fleet.WaitsForRetry, Phase: "fetching", DoneBytes: 1, TotalBytes: 2, BytesPerSecond: 3, Message: "…", Error: "no", Code: "unavailable", Attempts: 4,
			RetryAt: at, CreatedAt: at, StartedAt: at, ChangedAt: at, EndedAt: at,
		}
	}
	return []sentence{
		{"The latest come back, the newest first, and with every field", func(t *testing.T, s Stores) {
			first, second, third := operation("a", 0), operation("b", 1), operation("c", 2)
			must(t, s.Operations.SaveOperations(t.Context(), second, third))
			must(t, s.Operations.SaveOperations(t.Context(), first))
			third.State, third.EndedAt = fleet.OperationWaiting, time.Time{}
			must(t, s.Operations.SaveOperations(t.Context(), third))
			wantEqual(t, got(s.Operations.Operations(t.Context(), 2))(t), []fleet.Operation{third, second})
		}},
		{"What has not ended comes back however old it is", func(t *testing.T, s Stores) {
			waits := operation("a", 0)
			waits.State, waits.EndedAt = fleet.OperationWaiting, time.Time{}
			second, third := operation("b", 1), operation("c", 2)
			for _, o := range []fleet.Operation{waits, second, third} {
				must(t, s.Operations.SaveOperations(t.Context(), o))
			}
			wantEqual(t, got(s.Operations.Operations(t.Context(), 1))(t), []fleet.Operation{third, waits})
		}},
		{"What ended before is pruned", func(t *testing.T, s Stores) {
			under := operation("a", 0)
			under.EndedAt = time.Time{}
			late := operation("c", 2)
			for _, o := range []fleet.Operation{under, operation("b", 1), late} {
				must(t, s.Operations.SaveOperations(t.Context(), o))
			}
			must(t, s.Operations.PruneOperations(t.Context(), late.EndedAt))
			wantEqual(t, got(s.Operations.Operations(t.Context(), 10))(t), []fleet.Operation{late, under})
		}},
	}
}
